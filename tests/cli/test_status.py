"""`rt-edge status`: of a node that runs, of none, and how it looks at 80 and at 140 columns."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.console import Console

from rt_edge.cli.app import main
from rt_edge.cli.status_remarks import bottlenecks, does, wrong
from rt_edge.cli.status_view import render, wire_name
from rt_edge.telemetry.status import (
    AdapterStatus,
    GraphNodeStatus,
    IngressStatus,
    IslandStatus,
    MemberStatus,
    NodeStatus,
    SilentStatus,
    UplinkStatus,
    WaitStatus,
    WireStatus,
)
from rt_edge.testkit.node_process import NodeProcess, wait_until

CONFIG = """
node: {{id: try-out, data: {folder}/data}}
island: all
adapters: {{machine: {{kind: simulated, devices: 3, every: 100ms}}}}
graphs: {{telemetry: [{{from: machine}}, {{filter: temperature > -1000}}, {{to: hq}}]}}
uplinks: {{hq: {{peers: ["127.0.0.1:1"], spool: {{max: 4MB}}}}}}
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """A node with a device, a graph, and an uplink to nowhere."""
    folder = tmp_path_factory.mktemp("status")
    (folder / "node.yaml").write_text(CONFIG.format(folder=folder))
    node = NodeProcess(folder / "node.yaml", folder / "data", folder / "log")
    node.start()
    try:
        wait_until(lambda: (node.member("uplink/hq") or MemberStatus("", "")).uplink is not None, 20, node.log)
        yield node
    finally:
        node.stop()


def status_of(*members: MemberStatus, at: float = 10.0) -> NodeStatus:
    return NodeStatus("edge-1", "0.1.0", 100, at, 0.0, [IslandStatus("one", 101, "running", members=list(members))])


def shown(status: NodeStatus, before: NodeStatus | None = None, width: int = 80) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width, highlight=False, markup=False).print(render(status, before, width))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def graph(received: int, dropped: int = 0) -> MemberStatus:
    nodes = [
        GraphNodeStatus("from adapter/a>graph/telemetry.a", "WireIn", emitted=received),
        GraphNodeStatus("keep-what-is-warm-enough-for-the-archive", "filter", received, received - dropped, 1024, 7, errors=2),
    ]
    if dropped:
        nodes[1].dropped = {"filtered": dropped}
    wires = [WireStatus("a.out>keep-what-is-warm-enough-for-the-archive.in", received, 10, 1024, 0)]
    return MemberStatus("graph/telemetry", "running", nodes=nodes, wires=wires)


def mqtt(state: str = "open", error: str = "", unsettled: float = 0.0, window: int = 20) -> MemberStatus:
    adapter = AdapterStatus("mqtt", state, error, "redelivering", "withhold_ack", window, {}, {"unsettled": unsettled})
    return MemberStatus("adapter/broker", "running", adapter=adapter)


def uplink(link: str = "session open", readings: int = 0, error: str = "", *, stuck: bool = False) -> MemberStatus:
    what = UplinkStatus(link, "up-a:1900", readings // 10, readings, readings * 100, None, False, 0, readings // 10)
    wires = [WireStatus("from graph/telemetry.hq>uplink/hq.out>spool.in", 1, 1, 0 if stuck else 500, 5 if stuck else 0)]
    return MemberStatus("uplink/hq", "running", error, wires=wires, uplink=what)


@pytest.mark.parametrize("width", [80, 140])
def test_every_column_is_readable_when_numbers_are_large(width: int) -> None:
    """At 80 and at 140 columns all nine columns are there, no line is wider, and no number is cut."""
    now = status_of(mqtt(), graph(123_456_789, 1_000_000), uplink(readings=1_234_567))
    before = status_of(graph(123_356_789, 1_000_000), at=9.0)
    lines = shown(now, before, width)
    assert max(len(line) for line in lines) <= width
    head = next(line for line in lines if line.startswith("graph node"))
    wide = width == 140
    assert head.split()[2:] == [
        "in",
        "out",
        "in/s",
        "out/s",
        "demand",
        *(("buffered", "dropped", "errors") if wide else ("buf", "drop", "err")),
    ]
    row = next(line for line in lines if line.startswith("  keep-what"))
    numbers = row.split()[-8:]
    assert numbers[:2] == (["123,456,789", "122,456,789"] if wide else ["123.5M", "122.5M"])
    assert numbers[2:] == (
        ["100,000", "100,000", "1,024", "7", "1,000,000", "2"] if wide else ["100k", "100k", "1,024", "7", "1M", "2"]
    )
    assert "dropped: keep-what-is-warm-enough-for-the-archive 1,000,000 (filtered)" in lines
    assert not any("from adapter/a>" in line for line in lines)


def test_names_the_graph_node_when_nothing_moves() -> None:
    """Who waits, and for what; a source without anything to give is no news, unless everything is to be shown."""
    still = replace(graph(5), still_s=12.4)
    still.waits = [
        WaitStatus("ask", "work", "ask was asked for 3 elements and waits for work outside (1 tasks)"),
        WaitStatus("broker", "element", "broker was asked for 9 elements and gives none", idle=True),
    ]
    text = "\n".join(shown(status_of(still), width=140))
    assert "graph/telemetry: nothing moves since 12s: ask was asked for 3 elements and waits for work outside (1 tasks)" in text
    assert "gives none" not in text
    out = io.StringIO()
    Console(file=out, width=140).print(render(status_of(still), None, 140, everything=True))
    assert "broker was asked for 9 elements and gives none" in out.getvalue()


def test_says_what_is_wrong_when_parts_do_not_work() -> None:
    """An adapter without its device, a graph that fails, an uplink without session: each in plain words, in its row."""
    failing = replace(graph(5), state="waiting", error="division by zero", restarts=3)
    text = " ".join(
        " ".join(
            shown(status_of(mqtt("waiting", "broker.local: refused"), failing, uplink("down", 420, "no route")), None)
        ).split()
    )
    assert "not connected: broker.local: refused" in text
    assert "failed, and is tried again: division by zero; started again 3 times" in text
    assert "no session with up-a:1900: no route; 420 readings wait on disk" in text
    silent = NodeStatus("edge-1", "0.1.0", 1, 1.0, 0.0, [IslandStatus("field", 0, "waiting", "", 4)])
    assert any(line.split()[:2] == ["field", "waiting"] for line in shown(silent))


def test_names_the_devices_that_give_nothing_while_their_adapter_is_open() -> None:
    """The longest first, five by name; a line with one dead unit does not look well. An adapter that is away says only that."""
    line = mqtt()
    assert line.adapter is not None
    line.adapter.silent = {f"line/u{n}": SilentStatus("timeout", 10.0 * n) for n in range(1, 8)}
    text = " ".join(" ".join(shown(status_of(line), width=200)).split())
    assert "no readings from line/u7 (timeout, for 70s), line/u6" in text
    assert "line/u3 (timeout, for 30s) and 2 more" in text
    line.adapter.state, line.adapter.error = "waiting", "no such port"
    assert "line/u7" not in "\n".join(shown(status_of(line), width=200))


def test_says_when_nothing_has_come_and_why_when_all_of_it_was_dropped() -> None:
    """An adapter with a wrong topic, codec or speed is open and gives nothing: that does not look well."""
    broker = mqtt()
    assert broker.adapter is not None
    broker.nodes = [GraphNodeStatus("broker", "AdapterSource", demand=1024)]
    assert "nothing has come yet" in "\n".join(shown(status_of(broker), width=140))
    broker.adapter.counters = {"dropped_bad_payload": 1200, "answers_ok": 1200}
    assert "all that came was dropped: 1,200 bad_payload; see the log" in "\n".join(shown(status_of(broker), width=140))
    broker.nodes[0].emitted = 1
    text = "\n".join(shown(status_of(broker), width=140))
    assert "nothing has come" not in text
    assert "all that came" not in text


def test_says_what_is_under_way_and_what_came_twice_when_an_uplink_delivers() -> None:
    """Sent and not confirmed, in records and bytes, and how much had to be sent again; nothing of it where there is nothing."""
    member = uplink(readings=420)
    assert does(member) == "to up-a:1900; spool 420 readings, 42kB"
    assert member.uplink is not None
    member.uplink.counters = {"unconfirmed_records": 1, "unconfirmed_bytes": 5_000, "resent_records": 1_234, "sessions": 2}
    assert does(member) == "to up-a:1900; spool 420 readings, 42kB; 1 record (5kB) unconfirmed; 1,234 sent again"


def test_names_the_window_when_it_is_the_bottleneck() -> None:
    """A window that is full at one of two looks holds the node back (each commit empties it); one that is not does not."""
    full, free = status_of(mqtt(unsettled=20.0)), status_of(mqtt(unsettled=3.0))
    assert bottlenecks(full, full) == [
        "broker: window of 20 is full; use version 5, or raise max_inflight_messages at the broker and window here"
    ]
    assert bottlenecks(full, free) == bottlenecks(free, full) == bottlenecks(full, None) == bottlenecks(full, full)
    assert bottlenecks(free, free) == bottlenecks(free, None) == []
    large = status_of(mqtt(unsettled=2000.0, window=2000))
    assert bottlenecks(large, None) == ["broker: window of 2,000 is full; raise window, or lower spool.max_wait"]
    assert "bottleneck: broker: window of 20 is full" in " ".join(shown(full, full))


def test_names_the_spool_alone_when_windows_are_full_behind_it() -> None:
    """What to do about a full spool is not to raise a window."""
    both = status_of(mqtt(unsettled=20.0), uplink("down", 50_000, stuck=True))
    assert [line.split(":")[0] for line in bottlenecks(both, both)] == ["hq"]


def test_blames_the_disk_when_the_spool_takes_nothing_for_it() -> None:
    """To restore the uplink would not help: what is wrong is the disk, and that is said among what is wrong."""
    member = uplink("down", 50_000, stuck=True)
    assert member.uplink is not None
    member.uplink.full, member.uplink.disk = True, "the disk is full; make room"
    assert wrong(member)[-1] == "the disk is full; make room"
    assert bottlenecks(status_of(member), status_of(member)) == []


def test_names_the_spool_or_the_link_when_it_is_the_bottleneck() -> None:
    """A spool that takes nothing while its link is down, and a link that is slower than what comes in."""
    stuck = status_of(uplink("down", 50_000, stuck=True))
    assert bottlenecks(stuck, stuck) == [
        "hq: the spool is full (5MB) and holds its sources back; restore the uplink, or raise spool.max"
    ]
    slow = status_of(uplink(readings=20_000)), status_of(uplink(readings=10_000))
    assert "the link is slower than what comes in (20,000 readings wait)" in bottlenecks(*slow)[0]
    assert bottlenecks(status_of(uplink(readings=20_000)), status_of(uplink(readings=20_000))) == []


def test_shows_the_ingress_when_it_is_an_upstream_node() -> None:
    """Where it listens, who is connected, what it has stored."""
    ingress = IngressStatus("0.0.0.0:1900", ["hall-3 (open)"], 10, 1234)
    line = next(
        line for line in shown(status_of(MemberStatus("ingress", "running", ingress=ingress))) if line.startswith("ingress")
    )
    assert line.split(maxsplit=2) == ["ingress", "running", "on 0.0.0.0:1900; hall-3 (open); stored 1,234"]


def test_shows_the_file_when_a_store_is_on_this_node() -> None:
    """A local store says how much it has stored, and where."""
    store = IngressStatus("/data/store/archive.db", [], 10, 1234)
    (line,) = (
        line
        for line in shown(status_of(MemberStatus("store/archive", "running", ingress=store)))
        if line.startswith("store/archive") and "running" in line
    )
    assert line.split(maxsplit=2) == ["store/archive", "running", "stored 1,234 in /data/store/archive.db"]


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("merge.out>filter.in", "merge > filter"),
        ("split.out1>merge.in0", "split.out1 > merge.in0"),
        ("plc.out>to adapter/plc>graph/pumps.plc.in", "plc > graph/pumps"),
        ("from graph/pumps.hq>uplink/hq.out>spool.in", "graph/pumps > spool"),
        ("odd", "odd"),
    ],
)
def test_a_wire_has_a_short_name_when_it_is_shown(name: str, short: str) -> None:
    """Ports are named only where they are not the only ones; the ends of wires between processes by their member."""
    assert wire_name(name) == short


def test_exits_with_4_when_no_node_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One clear line, whether the directory is named, in the environment or the default."""
    assert main(["status", "--data", str(tmp_path)]) == 4
    monkeypatch.setenv("RT_EDGE_DATA", str(tmp_path))
    assert main(["status", "--watch"]) == 4
    assert capsys.readouterr().err == f"rt-edge: no node runs on {tmp_path} (start one with rt-edge run)\n" * 2
    monkeypatch.delenv("RT_EDGE_DATA")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rt_edge.cli.where.DEFAULT_DATA", tmp_path / "var")
    assert main(["status"]) == 4
    assert "or set RT_EDGE_DATA" in capsys.readouterr().err


def test_shows_a_running_node_when_only_the_environment_says_where(node: NodeProcess) -> None:
    """`rt-edge status` alone, as the container's health check calls it; and as data."""
    environment = {**os.environ, "RT_EDGE_DATA": str(node.data)}
    command = [sys.executable, "-m", "rt_edge.cli.app", "status"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=True)
    assert done.stderr == ""
    assert done.stdout.startswith("node try-out ")
    assert "adapter/machine" in done.stdout
    assert "no session with 127.0.0.1:1" in done.stdout
    done = subprocess.run([*command, "--json"], env=environment, capture_output=True, text=True, timeout=30, check=True)
    said = json.loads(done.stdout)
    assert said["node"] == "try-out"
    (counters,) = (m["uplink"]["counters"] for island in said["islands"] for m in island["members"] if m["uplink"] is not None)
    assert {"sessions", "sent_records", "resent_records", "unconfirmed_records", "unconfirmed_bytes"} <= set(counters)


def test_ends_cleanly_when_a_watch_gets_ctrl_c(node: NodeProcess) -> None:
    """On a terminal of 80 columns it shows rates, and Ctrl-C is exit code 0 without a traceback."""
    master, slave = pty.openpty()
    ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    command = [sys.executable, "-m", "rt_edge.cli.app", "status", str(node.config), "--watch", "--every", "0.2"]
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")} | {"TERM": "xterm"}
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment)
    os.close(slave)
    seen = b""

    def look() -> bool:
        nonlocal seen
        while select.select([master], [], [], 0)[0]:
            seen += os.read(master, 65536)
        return seen.count(b"graph node") >= 3

    try:
        wait_until(look, 20, lambda: seen.decode(errors="replace")[-2000:])
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(master)
    assert b"Traceback" not in seen

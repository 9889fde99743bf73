"""`rt-edge simulate`: every simulator is read by a real node, with the configuration that it prints; bad arguments; Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rt_edge.cli.app import main
from rt_edge.cli.simulate_run import as_yaml
from rt_edge.data.reading import Reading
from rt_edge.settings.load import load
from rt_edge.settings.yaml_text import read_yaml
from rt_edge.testkit.mosquitto import MosquittoProcess
from rt_edge.testkit.node_process import NodeProcess, wait_until
from rt_edge.uplink.stores.errors import StoreIoError
from rt_edge.uplink.stores.query import StoreReader

ROOT = Path(__file__).resolve().parents[2]


class Running:
    """One `rt-edge simulate`, with --json."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "rt_edge.cli.app", "simulate", *arguments, "--json"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self.process.stdout is not None
        self.said: dict[str, Any] = json.loads(self.process.stdout.readline() or "{}")

    def end(self, number: int = signal.SIGINT) -> dict[str, int]:
        """What it counted; 0 is its exit code."""
        self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=20)
        assert self.process.returncode == 0
        counts: dict[str, int] = json.loads(out)["counts"]
        return counts


def test_simulator_that_is_killed_takes_its_children_along_and_the_next_one_removes_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kill -9 leaves no dbus-daemon; the folder of one that lives is not touched, that of the dead goes with the next start."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    first, other = Running("ble"), Running("ble")
    buses = [Path(one.said["environment"]["DBUS_SYSTEM_BUS_ADDRESS"].removeprefix("unix:path=")) for one in (first, other)]
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(buses[0]))
        first.process.kill()
        first.process.communicate()
        client.settimeout(20)
        with contextlib.suppress(ConnectionResetError):  # it ended before it had accepted us
            assert client.recv(1) == b"", "its bus lives"
    last = Running("ble")
    assert [bus.exists() for bus in buses] == [False, True]
    other.end()
    last.end(signal.SIGTERM)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def simulators(tmp_path: Path, mosquitto_path: Path) -> Iterator[dict[str, Running]]:
    """One of each."""
    folder = tmp_path / "mosquitto"
    folder.mkdir()

    async def start() -> tuple[MosquittoProcess, int]:
        broker = MosquittoProcess(mosquitto_path, folder)
        await broker.start()
        return broker, broker.port

    with asyncio.Runner() as runner:
        broker, port = runner.run(start())
        running: dict[str, Running] = {}
        try:
            running["modbus tcp"] = Running("modbus", "--units", "2")
            running["modbus rtu"] = Running("modbus", "--pty", str(tmp_path / "ttyP"), "--units", "2", "--dead", "2")
            running["serial"] = Running("serial", str(tmp_path / "ttyS"), "--every", "200ms")
            running["asked"] = Running("serial", str(tmp_path / "ttyT"), "--instrument", "thermometers")
            running["gps"] = Running("serial", str(tmp_path / "ttyG"), "--instrument", "gps", "--every", "200ms")
            running["mqtt"] = Running("mqtt", f"127.0.0.1:{port}", "--devices", "3", "--messages-per-second", "30")
            running["coap"] = Running("coap", "--sensors", "2", "--every", "200ms")
            running["ble"] = Running("ble", "--devices", "2", "--every", "200ms")
            yield running
        finally:
            for one in running.values():
                one.process.kill()
                one.process.communicate()
            runner.run(broker.stop())


def test_every_simulator_is_read_when_a_node_has_the_adapters_that_they_print(
    simulators: dict[str, Running], tmp_path: Path
) -> None:
    """One node with all of them: each device's readings arrive in its store, the dead unit's do not; all end with 0."""
    adapters: dict[str, Any] = {}
    environment: dict[str, str] = {}
    for name, one in simulators.items():
        key = name.replace(" ", "-")
        (adapter,) = one.said["adapters"].values()
        adapters[key] = adapter
        environment |= one.said["environment"]
    adapters["modbus-rtu"]["units"]["pump-2"]["timeout"] = "100ms"
    config = tmp_path / "edge.yaml"
    graph = [{"from": list(adapters)}, {"to": "kept"}]
    whole = {"node": {"id": "bench", "data": str(tmp_path / "data")}, "adapters": adapters, "graphs": {"all": graph}}
    config.write_text(as_yaml({**whole, "stores": {"kept": {"kind": "sqlite"}}}))
    node = NodeProcess(config, tmp_path / "data", tmp_path / "log", environment)
    expected = {"modbus-tcp/pump-1", "modbus-tcp/pump-2", "modbus-rtu/pump-1", "serial/scale-1", "asked/inlet", "asked/outlet"}
    expected |= {"gps/gps-1", "mqtt/device-1", "mqtt/device-2", "mqtt/device-3", "coap/device-1", "ble/pump"}
    store = tmp_path / "data" / "store" / "kept.db"
    try:
        node.start()
        wait_until(
            lambda: expected <= {r.source for r in readings(store)},
            30,
            lambda: f"{expected - {r.source for r in readings(store)}}: {node.log()[-1500:]}",
        )
        sources = {reading.source for reading in readings(store)}
    finally:
        assert node.stop() == 0
    assert "modbus-rtu/pump-2" not in sources
    assert any("pressure" in reading.fields for reading in readings(store))
    assert any("latitude" in reading.fields for reading in readings(store))
    counts = {name: one.end() for name, one in simulators.items()}
    assert counts["modbus tcp"]["requests"] > 0
    assert counts["modbus rtu"]["overruns"] == 0
    assert counts["mqtt"]["acknowledged"] > 0
    assert counts["ble"]["connections"] > 0
    assert counts["coap"]["changes"] > 0
    assert not (tmp_path / "ttyP").is_symlink()


def readings(store: Path) -> list[Reading]:
    """What is in it; nothing while it is not there."""
    if not store.exists():
        return []
    try:
        with StoreReader(store) as reader:
            return [row.reading for row in reader.rows() if row.reading is not None]
    except StoreIoError:  # it is just being made
        return []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["modbus", "--late", "x"], 2, "'x' is no share"),
        (["modbus", "--late", "101%"], 2, "is not between 0% and 100%"),
        (["modbus", "--pty", "/dev/null"], 2, "/dev/null is there already"),
        (["modbus", "--units", "300"], 2, "less than or equal to 247"),
        (["modbus", "--for", "3"], 2, "is not a duration"),
        (["modbus", "--for", "0s"], 2, "more than 0"),
        (["mqtt", "http://x"], 2, "is not mqtt://HOST[:PORT]"),
        (["mqtt", "127.0.0.1:9"], 1, "connection refused"),
        (["mqtt", "mqtts://x", "--ca-file", "/nowhere/ca.pem"], 2, "the certificates cannot be used"),
        (["mqtt", "mqtt://x", "--ca-file", "/nowhere/ca.pem"], 2, "certificates are for mqtts://"),
        (["coap", "--push", "x"], 2, "is not coap://HOST:PORT/PATH"),
        (["serial", "/nowhere/tty"], 2, "there is no directory /nowhere"),
        (["serial", "no-tty", "--script", "/nowhere/script.yaml"], 3, "/nowhere/script.yaml cannot be read: No such file"),
        (["nothing"], 2, "nothing"),
    ],
)
def test_one_line_says_what_is_wrong_when_a_command_line_is(
    arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code, one line, and what to do."""
    assert main(["simulate", *arguments]) == code
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_pushes_are_refused_or_unanswered_when_nobody_listens() -> None:
    """It goes on, and counts."""
    running = Running("coap", "--push", "coap://127.0.0.1:9/push", "--sensors", "1", "--every", "50ms", "--for", "500ms")
    out, _ = running.process.communicate(timeout=20)
    assert json.loads(out)["counts"]["unanswered"] > 0
    assert running.said["adapters"]["inbox"]["listen"]["paths"] == [
        {
            "path": "/push/{device}",
            "codec": "senml-json",
        }
    ]


def test_yaml_is_read_back_when_it_was_written() -> None:
    """Without anchors, and in the order given."""
    point = {"holding": 0, "type": "float32"}
    value = {"b": {"x": point, "y": point}, "a": ["on", "1", 1, "a: b", "\r\n"]}
    text = as_yaml(value)
    assert "&" not in text
    assert text.startswith("b:")
    assert read_yaml(text.encode(), "x").plain() == value


def test_terminated_as_interrupted_when_it_is_a_service() -> None:
    """SIGTERM ends it in order, too; its device is gone."""
    running = Running("modbus")
    assert running.end(signal.SIGTERM)["requests"] == 0


def test_what_is_printed_is_a_configuration_that_runs(tmp_path: Path) -> None:
    """Standard output, in a file, is a whole node without a warning, that keeps what the devices say."""
    command = [sys.executable, "-m", "rt_edge.cli.app", "simulate", "modbus", "--units", "1", "--for", "0.1s"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True, cwd=ROOT)
    config = tmp_path / "pumps.yaml"
    config.write_text(done.stdout)
    assert "rt-edge run FILE" in done.stderr
    checked = load(config)
    assert (checked.errors, checked.warnings) == ((), ())
    assert checked.plan is not None
    assert list(checked.plan.graphs) == ["plant"]
    assert list(checked.plan.stores) == ["kept"]

"""Goal: a command reaches its device once or not at all, and who asked is told which. Method: a node as users run it, real Modbus
slaves on TCP and on a pty, the command line, and SIGKILL between intent and result."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest
from e2e_world import adapter_open, in_thread, session_open, until

from rt_edge.cli.app import main
from rt_edge.cli.errors import ExitCode
from rt_edge.commands.command import Command, Outcome
from rt_edge.daemon.client import NoNode, connect
from rt_edge.testkit.modbus_slave import RtuSlave, SlaveBank, SlaveUnit, TcpSlave
from rt_edge.testkit.node_process import NodeProcess, wait_until
from rt_edge.testkit.pki import ThrowAwayCa
from rt_edge.testkit.waiting import until as soon

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

PLANT = """
node: {{id: hall-3, data: {data}}}
adapters:
  plc:
    kind: modbus
    channel: {{tcp: "127.0.0.1:{port}", timeout: 100ms}}
    units:
      pump-1:
        every: 50ms
        points:
          setpoint: {{holding: 3, scale: 0.1, writable: true, min: 0, max: 100, unit: bar}}
          running: {{coil: 0, writable: true}}
          door: {{discrete: 0}}
  line:
    kind: modbus
    channel: {{serial: {serial}, baud: 115200, parity: none}}
    units:
      pump-2:
        unit: 2
        every: 50ms
        points:
          setpoint: {{holding: 3, writable: true, verify: true}}
"""

SLOW = """
node: {{id: hall-3, data: {data}}}
adapters:
  plc:
    kind: modbus
    channel: {{tcp: "127.0.0.1:{port}", timeout: 2s}}
    units:
      pump-1: {{every: 1h, points: {{setpoint: {{holding: 3, writable: true}}}}}}
"""

CONTROL = """
node: {{id: hall-3, data: {data}}}
adapters:
  sim: {{kind: simulated, every: 20ms}}
  plc:
    kind: modbus
    channel: {{tcp: "127.0.0.1:{port}"}}
    units:
      pump-1: {{every: 1h, points: {{setpoint: {{holding: 3, writable: true, max: 20}}}}}}
graphs:
  control:
    - from: sim
    - to: {{command: plc/pump-1/setpoint, field: count}}
"""

UP = """
node: {{id: up-1, data: {data}}}
stores: {{main: {{kind: sqlite, path: store/main.db}}}}
ingress: {{listen: "127.0.0.1:{ingress}", store: main, tls: {{ca: {pki.ca}, cert: {pki.certificate}, key: {pki.key}}}}}
"""

EDGE = """
node: {{id: edge-1, data: {data}}}
adapters:
  sim: {{kind: simulated, every: 100ms, points: {{speed: {{initial: 1.0, max: 50}}}}}}
graphs:
  telemetry: [{{from: sim}}, {{to: hq}}]
uplinks:
  hq:
    peers: ["127.0.0.1:{ingress}"]
    tls: {{ca: {pki.ca}, cert: {pki.certificate}, key: {pki.key}}}
    commands: {commands}
"""


def cli(node: NodeProcess, *args: str) -> tuple[int, str]:
    """What a user types, and sees; in this process, since starting one takes longer than all else."""
    out, old = io.StringIO(), os.environ.get("RT_EDGE_DATA")
    os.environ["RT_EDGE_DATA"] = str(node.data)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            code = main(args)
    finally:
        os.environ.pop("RT_EDGE_DATA")
        if old is not None:
            os.environ["RT_EDGE_DATA"] = old
    return code, out.getvalue().strip()


def test_command_line_writes_and_reads_devices_through_a_running_node(world):
    """Coil and register, TCP and pty; each outcome has its words and its exit code, the log has a line."""

    async def run() -> None:
        tcp, rtu = SlaveUnit(holding={3: 100}, coil=[0], discrete=[1]), SlaveUnit(holding={3: 7})
        async with TcpSlave(SlaveBank({1: tcp})) as peer, RtuSlave(SlaveBank({2: rtu})) as line:
            node = world.node("edge", PLANT, port=peer.port, serial=line.path)
            await in_thread(node.start)
            await until(lambda: adapter_open(node, "plc")() and adapter_open(node, "line")(), 20, node.log)
            said = {}
            for name, args in {
                "write": ("write", "hall-3", "plc/pump-1/setpoint", "4.5"),
                "coil": ("write", str(node.config), "plc.pump-1.running", "on"),
                "pty": ("write", "hall-3", "line/pump-2/setpoint", "99", "--json"),
                "read": ("read", "hall-3", "plc/pump-1/setpoint"),
                "range": ("write", "hall-3", "plc/pump-1/setpoint", "400"),
                "near": ("write", "hall-3", "plc/pump-1/setpont", "4"),
                "fixed": ("write", "hall-3", "plc/pump-1/door", "on"),
                "nowhere": ("write", "hall-3", "pls/pump-1/door", "on"),
            }.items():
                said[name] = await in_thread(cli, node, *args)
            assert said["write"] == (0, "plc/pump-1/setpoint is 4.5 (it was 10.0)")
            assert said["coil"] == (0, "plc.pump-1.running is on (it was false)")
            assert said["pty"][0] == 0
            assert json.loads(said["pty"][1])["state"] == "confirmed"
            assert said["read"] == (0, "4.5 bar")
            assert (tcp.holding[3], tcp.coil[0], rtu.holding[3]) == (45, 1, 99)
            refused = "rt-edge: refused: pump-1"
            assert said["range"] == (ExitCode.REFUSED, f"{refused}/setpoint takes 0 to 100 bar, not 400")
            assert said["fixed"] == (ExitCode.REFUSED, f"{refused}/door is not writable; say `writable: true` at the point")
            assert said["near"][0] == ExitCode.REFUSED
            assert "did you mean 'pump-1/setpoint'?" in said["near"][1]
            assert said["nowhere"][0] == ExitCode.REFUSED
            (logged,) = (node.data / "commands" / "audit.jsonl").read_text().splitlines()
            assert json.loads(logged)["point"] == "pls/pump-1/door"
            tcp.dead = True
            code, words = await in_thread(cli, node, "write", "hall-3", "plc/pump-1/setpoint", "5")
            assert (code, "unknown whether it was carried out" in words or "failed" in words) == (ExitCode.FAILED, True), words
            audit = (node.data / "commands" / "plc.audit.jsonl").read_text().splitlines()
            lines = [json.loads(line) for line in audit]
            assert [line["result"] for line in lines[:2]] == ["confirmed", "confirmed"]
            assert (lines[0]["old"], lines[0]["value"], lines[0]["via"]) == (10.0, 4.5, "cli")
            assert await in_thread(node.stop) == 0
            assert (await in_thread(cli, node, "read", "hall-3", "plc/pump-1/setpoint"))[0] == ExitCode.UNREACHABLE

    asyncio.run(run())


def test_command_is_never_repeated_when_its_process_is_killed_under_it(world):
    """SIGKILL of the adapter's island, at moments drawn from a seed and between the device's taking and its answer: the same key
    afterwards tells what became of it, and the device got it once, or not at all where the answer is that it failed."""
    random = Random(7)

    async def run() -> None:
        device = SlaveUnit(holding={3: 0})
        device.delay = 0.15
        async with TcpSlave(SlaveBank({1: device})) as peer:
            node = world.node("edge", SLOW, {"RT_EDGE_BACKOFF_S": "0.2"}, port=peer.port)
            await in_thread(node.start)
            await until(adapter_open(node, "plc"), 20, node.log)
            ends = []
            for i in range(1, 5):
                command = Command(f"k{i}", "", i, expires_s=30.0)
                victim = (await in_thread(node.pids))["adapter-plc"]
                asked = asyncio.create_task(in_thread(_ask, node, command, 0.4))
                if i % 2:
                    await asyncio.wait([asked], timeout=random.uniform(0.0, 0.35))
                else:  # the device has it, and has not answered yet
                    await soon(lambda i=i: (6, 3, i) in device.requests, 10)
                os.kill(victim, signal.SIGKILL)
                await until(lambda v=victim: adapter_open(node, "plc")() and node.pids()["adapter-plc"] != v, 20, node.log)
                end = await in_thread(_ask, node, command, 20.0)
                writes = [value for function, _, value in device.requests if function == 6]
                ends.append((end.state, end.message, writes.count(i)))
                assert writes.count(i) <= 1, "repeated"
                assert end.state in ("confirmed", "failed"), end
                assert (end.state == "confirmed") == (writes.count(i) == 1), (end, writes)
                assert end.state != "confirmed" or device.holding[3] == i
                await asked
            print(*ends, sep="\n")
            assert ["interrupted" in message for _, message, _ in ends][1::2] == [True, True], "no kill between intent and result"
            assert await in_thread(node.stop) == 0

    asyncio.run(run())


def test_graph_commands_a_device_with_its_readings(world):
    """Each Reading once and in order; what the point does not take is dropped by that name; all are settled."""

    async def run() -> None:
        device = SlaveUnit(holding={3: 999})
        async with TcpSlave(SlaveBank({1: device})) as peer:
            node = world.node("edge", CONTROL, port=peer.port)
            await in_thread(node.start)

            def counters() -> dict[str, int]:
                member = node.member("adapter/plc")
                found = [n.counters | n.dropped for n in member.nodes if "commands_confirmed" in n.counters] if member else []
                return found[0] if found else {}

            await until(lambda: counters().get("command_refused", 0) >= 3, 20, lambda: f"{counters()} {node.log()}")
            assert [value for function, _, value in device.requests if function == 6] == list(range(21))
            assert counters()["commands_confirmed"] == 21
            assert await in_thread(node.stop) == 0
            assert "stay with their devices" not in node.log()
            audit = [json.loads(line) for line in (node.data / "commands" / "plc.audit.jsonl").read_text().splitlines()]
            assert (audit[0]["via"], audit[0]["who"], audit[0]["where"]) == ("graph", "sim/device-1", "control")

    asyncio.run(run())


def test_upstream_node_commands_a_device_of_its_edge_over_a_link_that_is_cut_and_returns(world):
    """From the upstream host, over mTLS: read, write, refusal; a command given while the link is cut is carried out, once, when
    it is back, also if the process that has the links was killed meanwhile, and one whose time is over before that is not. What
    names no adapter is refused. Each has a line in an audit log."""
    ca = ThrowAwayCa(world.folder / "pki")
    up = world.node("up", UP, pki=ca.issue("upstream", "up-1"))
    edge = world.node("edge", EDGE, pki=ca.issue("edge", "edge-1"), commands="true")
    up.start()
    edge.start()
    point = "sim/device-1/speed"
    wait_until(session_open(edge), 20, edge.log)
    assert cli(up, "write", "edge-1", point, "5") == (0, f"{point} is 5 (it was 1.0)")
    assert cli(up, "read", "edge-1", point) == (0, "5")
    assert cli(up, "write", "edge-1", point, "51")[0] == ExitCode.REFUSED
    nowhere = cli(up, "write", "edge-1", "sin/device-1/speed", "5")
    assert nowhere[0] == ExitCode.REFUSED
    assert "there is no adapter 'sin'" in nowhere[1]
    edge.ask(lambda node: node.control("cut-link", "uplink/hq"))
    wait_until(lambda: not session_open(edge)(), 10, edge.log)
    wait_until(lambda: not up.member("ingress").ingress.sessions, 10, up.log)
    late = cli(up, "write", "edge-1", point, "6", "--expires", "100ms")
    assert late == (ExitCode.FAILED, f"rt-edge: {point}: expired: not sent: node edge-1 is not connected")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(cli, up, "write", "edge-1", point, "7", "--key", "cut", "--expires", "30s")
        wait_until(lambda: up.member("ingress").ingress.counters.get("commands_asked", 0) == 6, 10, up.log)
        victim = up.pids()["ingress"]  # and with it what it knew of the command: it is asked again
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: up.pids().get("ingress", victim) != victim and up.member("ingress") is not None, 20, up.log)
        edge.ask(lambda node: node.control("restore-link", "uplink/hq"))
        assert waiting.result(30) == (0, f"{point} is 7 (it was 5)")
    assert cli(up, "write", "edge-1", point, "7", "--key", "cut")[0] == 0
    lines = [json.loads(line) for line in (edge.data / "commands" / "sim.audit.jsonl").read_text().splitlines()]
    assert [(line["value"], line["result"]) for line in lines] == [(5, "confirmed"), ("51", "refused"), (7, "confirmed")]
    assert (lines[0]["via"], lines[0]["where"]) == ("uplink", "up-1 by hq")
    (line,) = (json.loads(line) for line in (edge.data / "commands" / "audit.jsonl").read_text().splitlines())
    assert (line["point"], line["result"], line["where"]) == ("sin/device-1/speed", "refused", "up-1 by hq")
    upstream = [json.loads(line) for line in (up.data / "commands" / "audit.jsonl").read_text().splitlines()]
    assert [line["result"] for line in upstream] == ["confirmed", "refused", "refused", "expired", "confirmed", "confirmed"]
    assert {(line["node"], line["via"]) for line in upstream} == {("edge-1", "cli")}
    assert edge.member("adapter/sim").adapter.counters["writes_confirmed"] == 2
    assert edge.stop() == 0
    assert up.stop() == 0


def _ask(node: NodeProcess, command: Command, timeout: float) -> Outcome | None:
    """The outcome; None if the process that knows it was killed."""
    with contextlib.suppress(NoNode), connect(node.data) as running:
        return running.write_point("plc/pump-1/setpoint", command, timeout=timeout)
    return None

"""W2: Modbus TCP, 100 units x 10 registers, every second and as fast as possible; a whole node, and a loop around pymodbus."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from time import monotonic, sleep

from benchmarks.harness.meter import Meter, family, load, percentile, pss_mib
from benchmarks.harness.nodes import HERE, Plant
from benchmarks.harness.table import Row, show
from benchmarks.harness.w1 import started

UNITS, REGISTERS = 100, 10

EDGE = """
node: {{id: hall-3, data: {data}}}
island: each
adapters:
  plc:
    kind: modbus
    channel: {{tcp: "127.0.0.1:{modbus}"}}
    overload: coalesce
    units:
{units}
graphs: {{telemetry: [{{from: plc}}, {{to: hq}}]}}
uplinks:
  hq: {{peers: ["127.0.0.1:{ingress}"], spool: {{max: 512MB, when_full: block}}}}
"""


async def slave() -> None:
    """The device side, until standard input closes."""
    from rt_edge.testkit.modbus_slave import SlaveBank, SlaveUnit, TcpSlave

    bank = SlaveBank({n: SlaveUnit(holding=[n * 100 + i for i in range(REGISTERS)]) for n in range(1, UNITS + 1)})
    async with TcpSlave(bank) as peer:
        print(peer.port, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def node(port: int, every: str, seconds: float) -> Row:
    """The whole node, poll to store."""
    points = ", ".join(f"r{i}: {{holding: {i}}}" for i in range(REGISTERS))
    units = "\n".join(f"      u{n}: {{unit: {n}, every: {every}, points: {{{points}}}}}" for n in range(1, UNITS + 1))
    with tempfile.TemporaryDirectory() as folder, Plant(Path(folder), EDGE, modbus=port, units=units) as nodes:
        started(nodes, "adapter/plc")
        nodes.wait_stored(2 * UNITS, 20)
        before, meter = nodes.stored(), Meter(nodes.edge.pid)
        sleep(seconds)
        used, count = meter.used(), nodes.stored() - before
        pss = pss_mib(family(nodes.edge.pid))
        times: dict[str, list[int]] = {}
        for source, _, ts in nodes.times():
            times.setdefault(source, []).append(ts)
        gaps = [(b - a) / 1e6 for each in times.values() for a, b in pairwise(each[1:])]
        late = [ms for _, _, ms in nodes.readings()][UNITS:]
    registers = count * REGISTERS
    return {
        "subject": "rt-edge to store",
        "every": every,
        "registers/s": registers / used.seconds,
        "CPU %": used.percent,
        "CPU s/100k reg": used.cpu / max(1, registers) * 1e5,
        "poll gap p1 ms": percentile(gaps, 0.01),
        "p99 ms": percentile(gaps, 0.99),
        "to store p50 ms": percentile(late, 0.5),
        "PSS MiB": pss,
        "load": load(),
    }


def peer(port: int, every: float, seconds: float) -> Row:
    """The loop around pymodbus, which keeps nothing."""
    command = [sys.executable, HERE / "peers.py", "pymodbus", str(port), str(seconds), str(every)]
    said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    registers = said["polls"] * REGISTERS
    return {
        "subject": "pymodbus loop",
        "every": f"{every:g}s",
        "registers/s": registers / said["s"],
        "CPU %": 100 * said["cpu"] / said["s"],
        "CPU s/100k reg": said["cpu"] / registers * 1e5,
        "poll gap p1 ms": percentile(said["gaps"], 0.01),
        "p99 ms": percentile(said["gaps"], 0.99),
        "load": load(),
    }


def main(seconds: float) -> dict[str, list[Row]]:
    """About four times `seconds` in all."""
    device = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.harness.w2"], stdin=-1, stdout=-1, text=True, cwd=HERE.parent.parent
    )
    try:
        assert device.stdout is not None
        port = int(device.stdout.readline())
        start = monotonic()
        rows = [node(port, "1s", seconds), peer(port, 1.0, seconds), node(port, "5ms", seconds), peer(port, 0.0, seconds)]
        show(f"W2 Modbus TCP, {UNITS} units x {REGISTERS} registers ({monotonic() - start:.0f} s)", rows)
    finally:
        device.kill()
        device.wait()
    return {"W2": rows}


if __name__ == "__main__":
    asyncio.run(slave())

"""Modbus TCP, 100 units x 10 registers: the adapter against a plain loop around pymodbus's async client, in the same run.

    python benchmarks/bench_modbus.py [--seconds 5] [--repeat 2]

One slave process (rt_edge.testkit), one process a client. "fast" asks again as soon as it may, "1 s" polls each unit once a
second. CPU is user + system of the client process, from its first reading to its last. The pymodbus loop turns each reply into a
dict; the adapter makes Readings and hands them to a context that counts them. Peak memory is the maximum resident set.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Any

UNITS, REGISTERS = 100, 10


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def report(readings: int, seconds: float, used: float, counts: dict[str, int]) -> None:
    registers = readings * REGISTERS
    print(
        json.dumps(
            {
                "registers_s": registers / seconds,
                "cpu_s_100k": used / registers * 1e5,
                "cpu_percent": 100 * used / seconds,
                "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "counts": counts,
            }
        )
    )


async def slave() -> None:
    from rt_edge.testkit.modbus_slave import SlaveBank, SlaveUnit, TcpSlave

    bank = SlaveBank({n: SlaveUnit(holding=[(n * 100 + i) & 0xFFFF for i in range(REGISTERS)]) for n in range(1, UNITS + 1)})
    async with TcpSlave(bank) as peer:
        print(peer.port, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # until the parent closes it


class Counting:
    """An adapter context that counts."""

    def __init__(self, data: Path, seconds: float) -> None:
        from rt_edge.data.clock import SystemClock

        self.clock, self.random, self.data, self.name, self.incarnation = SystemClock(), Random(1), data, "bench", "0"
        self.readings = 0
        self.counts: dict[str, int] = {}
        self.done = asyncio.Event()
        self._seconds = seconds
        self._start = 0.0

    def emit(self, readings: Any, keys: Any = (), redelivered: Any = ()) -> None:
        now = self.clock.monotonic()
        if not self._start:
            self._start, self._cpu = now, cpu()
            return
        self.readings += len(readings)
        if now - self._start >= self._seconds and not self.done.is_set():
            report(self.readings, now - self._start, cpu() - self._cpu, self.counts)
            self.done.set()

    def count(self, name: str, n: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + n

    def lost(self, error: Exception) -> None:
        raise error

    def gauge(self, name: str, value: float) -> None:
        pass

    def silent(self, source: str, reason: str) -> None:
        pass

    def gap(self, *what: Any) -> None:
        pass

    def log(self, *what: Any, **fields: Any) -> None:
        pass


def written(port: int, every: str) -> Any:
    """Settings as a running node has them, made in another process as a node does: this one never loads pydantic."""
    program = (
        "import json,sys; from adapters.modbus.settings import ModbusSettings as S; from rt_edge.settings.validate import melt;"
        "print(json.dumps(melt(S.model_validate(json.load(sys.stdin)))))"
    )
    points = {f"r{i}": {"holding": i} for i in range(REGISTERS)}
    units = {f"u{n:03}": {"unit": n, "every": every, "points": points} for n in range(1, UNITS + 1)}
    settings = {"channel": {"tcp": f"127.0.0.1:{port}"}, "units": units, "overload": "coalesce"}
    made = subprocess.run([sys.executable, "-c", program], input=json.dumps(settings), capture_output=True, text=True, check=True)
    from rt_edge.settings.frozen import freeze

    return freeze(json.loads(made.stdout))


async def adapter(port: int, seconds: float, every: str) -> None:
    from adapters.modbus import ModbusAdapter

    with tempfile.TemporaryDirectory() as data:
        context = Counting(Path(data), seconds)
        under_test = ModbusAdapter(written(port, every), context)  # type: ignore[arg-type]
        under_test.demand(10**9)
        await under_test.open()
        await context.done.wait()
        await under_test.close()


async def plain_loop(port: int, seconds: float, every: str) -> None:
    from pymodbus.client import AsyncModbusTcpClient

    client = AsyncModbusTcpClient("127.0.0.1", port=port, retries=0)
    await client.connect()
    loop = asyncio.get_running_loop()
    names = [f"r{i}" for i in range(REGISTERS)]
    readings, used, start = 0, cpu(), loop.time()
    due = start
    while loop.time() - start < seconds:
        for unit in range(1, UNITS + 1):
            reply = await client.read_holding_registers(0, count=REGISTERS, device_id=unit)
            fields = dict(zip(names, reply.registers, strict=True))
            assert fields["r1"] == (unit * 100 + 1) & 0xFFFF
            readings += 1
        if every != "1ms":
            due += 1.0
            await asyncio.sleep(max(0.0, due - loop.time()))
    report(readings, loop.time() - start, cpu() - used, {})
    client.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--role", choices=["slave", "adapter", "pymodbus"], help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--every", default="1ms", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.role == "slave":
        asyncio.run(slave())
    elif args.role:
        asyncio.run((adapter if args.role == "adapter" else plain_loop)(args.port, args.seconds, args.every))
    else:
        table(args.seconds, args.repeat)


def table(seconds: float, repeat: int) -> None:
    me = [sys.executable, __file__]
    peer = subprocess.Popen([*me, "--role", "slave"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert peer.stdout is not None
    try:
        port = peer.stdout.readline().strip()
        print(f"{UNITS} units x {REGISTERS} registers over Modbus TCP, {seconds:g} s a run")
        print("| client | rate | registers/s | CPU s/100k registers | CPU % | peak RSS MiB |\n|---|---|---:|---:|---:|---:|")
        for every, label in (("1ms", "fast"), ("1s", "1 s")):
            for _ in range(repeat):
                for role in ("adapter", "pymodbus"):
                    run = [*me, "--role", role, "--port", port, "--seconds", str(seconds), "--every", every]
                    found = json.loads(subprocess.run(run, capture_output=True, text=True, check=True).stdout)
                    figures = f"{found['registers_s']:,.0f} | {found['cpu_s_100k']:.2f} | {found['cpu_percent']:.1f}"
                    print(f"| {role} | {label} | {figures} | {found['rss_mib']:.1f} |", flush=True)
    finally:
        assert peer.stdin is not None
        peer.stdin.close()
        peer.wait(10)


if __name__ == "__main__":
    main()

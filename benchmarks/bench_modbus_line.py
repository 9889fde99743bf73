"""A Modbus line at simulated line speed, in real time on a pty: does the adapter use what the line has?

    python benchmarks/bench_modbus_line.py [--seconds 5] [--json]

The slaves (rt_edge.testkit, a process of their own) answer after the time that request and reply take on a wire of 11 bits a
character, plus a turnaround of 5 ms. Throughput is compared with what the line could carry at most, per transaction:

    request + reply (characters x 11 / baud) + turnaround + 3.5 characters of silence (1.75 ms above 19,200 baud)

What the slave or the machine is late counts against the adapter. Judged is the mean cycle; beside it stand the median, the mean
of a blocking loop that does nothing else, just before and after, and the gap from a reply to the next request, which the slaves
measure: never less than the silence, and what is above it is the adapter's, or the machine's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import select
import subprocess
import sys
import tempfile
import time
import tty
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from random import Random
from statistics import mean, median
from typing import Any

BITS = 11
TURNAROUND_S = 0.005
TARGET = 0.9


def silence(baud: int) -> float:
    """Seconds between frames (MODBUS over Serial Line V1.02, 2.5.1.1)."""
    return 0.00175 if baud > 19_200 else 3.5 * BITS / baud


def theoretical(baud: int, registers: int) -> float:
    """Transactions a second that a line can carry at most."""
    return 1 / ((8 + 5 + 2 * registers) * BITS / baud + TURNAROUND_S + silence(baud))


def slaves(baud: int, units: int, dead: int) -> None:
    """The process at the other end: prints its device; each line on stdin is answered by what happened since the one before.

    Blocking and on its own, so that its answers are as punctual as this machine allows (asyncio's timers are late by up to 1 ms).
    """
    from rt_edge.testkit.modbus_slave import SlaveBank, SlaveUnit
    from rt_edge.testkit.modbus_wire import frame_of, take_requests

    bank = SlaveBank({n: SlaveUnit(holding=range(1000)) for n in range(1, units + 1)})
    master, slave = os.openpty()
    tty.setraw(slave)
    print(os.ttyname(slave), flush=True)
    buffer, replied, asked = b"", 0.0, 0
    cycles: list[float] = []
    gaps: list[float] = []
    began = 0.0
    while True:
        ready, _, _ = select.select([master, sys.stdin], [], [])
        if sys.stdin in ready:
            if not sys.stdin.readline():
                return
            print(json.dumps({"asked": asked, "cycles": cycles, "gaps": gaps}), flush=True)
            asked, cycles, gaps = 0, [], []
            continue
        buffer += os.read(master, 4096)
        now = time.monotonic()
        found, buffer = take_requests("rtu", buffer)
        for number, pdu in found:
            asked += 1
            if began and began < replied:
                cycles.append(now - began)
                gaps.append(now - replied)
            began = now
            if number <= dead:
                continue
            reply = frame_of("rtu", number, bank[number].answer(pdu))
            until = now + (len(pdu) + 3 + len(reply)) * BITS / baud + TURNAROUND_S
            time.sleep(max(0.0, until - time.monotonic()))
            replied = time.monotonic()
            os.write(master, reply)


class Counting:
    """An adapter context that counts readings by source."""

    def __init__(self, data: Path, wanted: int) -> None:
        from rt_edge.data.clock import SystemClock

        self.clock, self.random, self.data, self.name, self.incarnation = SystemClock(), Random(1), data, "bench", "0"
        self.readings: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.done = asyncio.Event()
        self._wanted = wanted

    def emit(self, readings: Any, keys: Any = (), redelivered: Any = ()) -> None:
        for reading in readings:
            self.readings[reading.source] += 1
        if self.readings.total() >= self._wanted:
            self.done.set()

    def count(self, name: str, n: int = 1) -> None:
        self.counts[name] += n

    def lost(self, error: Exception) -> None:
        raise error

    def gauge(self, name: str, value: float) -> None:
        pass

    def silent(self, source: str, reason: str) -> None:
        pass

    def gap(self, *what: Any) -> None:
        pass

    def log(self, level: str, event: str, **fields: Any) -> None:
        pass


class World:
    """An adapter on a line of slaves.

    Args:
        adapter: open, with demand.
        context: its context.
        peer: the process of the slaves.
    """

    def __init__(self, adapter: Any, context: Counting, peer: subprocess.Popen[str]) -> None:
        self.adapter, self.context, self._peer = adapter, context, peer

    def ask(self) -> dict[str, Any]:
        """Requests and times from request to request that the slaves have seen since the last time."""
        return asked(self._peer)


def asked(peer: subprocess.Popen[str]) -> dict[str, Any]:
    """What the slaves say."""
    assert peer.stdin is not None
    assert peer.stdout is not None
    peer.stdin.write("\n")
    peer.stdin.flush()
    found: dict[str, Any] = json.loads(peer.stdout.readline())
    return found


@contextmanager
def line(baud: int, units: int, dead: int) -> Iterator[subprocess.Popen[str]]:
    """Slaves in a process of their own."""
    me = [sys.executable, __file__, "--role", "slaves", "--baud", str(baud), "--units", str(units), "--dead", str(dead)]
    peer = subprocess.Popen(me, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield peer
    finally:
        assert peer.stdin is not None
        peer.stdin.close()
        peer.wait(10)


@asynccontextmanager
async def world(baud: int, units: dict[str, Any], dead: int = 0, demand: int = 10**9) -> AsyncIterator[World]:
    """Slaves, and an adapter in this process."""
    from adapters.modbus import ModbusAdapter
    from adapters.modbus.settings import ModbusSettings
    from rt_edge.settings.frozen import freeze
    from rt_edge.settings.validate import melt

    with line(baud, len(units), dead) as peer, tempfile.TemporaryDirectory() as data:
        assert peer.stdout is not None
        device = peer.stdout.readline().strip()
        channel = {"serial": device, "baud": baud, "parity": "none", "stop_bits": 2, "timeout": "300ms"}
        written = {"channel": channel, "units": units, "overload": "coalesce"}
        context = Counting(Path(data), demand)
        adapter = ModbusAdapter(freeze(melt(ModbusSettings.model_validate(written))), context)  # type: ignore[arg-type]
        adapter.demand(demand)
        await adapter.open()
        yield World(adapter, context, peer)
        await adapter.close()


def points(n: int, **more: Any) -> dict[str, Any]:
    return {f"r{i}": {"holding": i, **more} for i in range(n)}


def plain_loop(baud: int, registers: int, seconds: float) -> list[float]:
    """Cycles of the least that a master can be: it writes, reads, and sleeps for the silence."""
    from rt_edge.testkit.modbus_wire import frame_of

    request = frame_of("rtu", 1, bytes((3, 0, 0, 0, registers)))
    size = 5 + 2 * registers
    with line(baud, 1, 0) as peer:
        assert peer.stdout is not None
        fd = os.open(peer.stdout.readline().strip(), os.O_RDWR | os.O_NOCTTY)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            os.write(fd, request)
            got = 0
            while got < size:
                got += len(os.read(fd, 512))
            time.sleep(silence(baud))
        os.close(fd)
        return asked(peer)["cycles"]  # type: ignore[no-any-return]


async def throughput(baud: int, registers: int, seconds: float) -> dict[str, Any]:
    """Share of the possible transactions, over `seconds`."""
    plain = plain_loop(baud, registers, seconds / 3)
    async with world(baud, {"u": {"unit": 1, "every": "1ms", "points": points(registers)}}) as w:
        await asyncio.sleep(0.3)
        w.ask()
        await asyncio.sleep(seconds)
        said = w.ask()
    plain += plain_loop(baud, registers, seconds / 3)
    possible = theoretical(baud, registers)
    cycles, gaps = said["cycles"], sorted(1000 * gap for gap in said["gaps"])
    share, usual, least = (1 / cycle / possible for cycle in (mean(cycles), median(cycles), mean(plain)))
    spread = {
        name: gaps[min(len(gaps) - 1, int(at * len(gaps)))]
        for name, at in (("min", 0), ("p50", 0.5), ("p90", 0.9), ("p99", 0.99))
    }
    shown = ", ".join(f"{name} {gap:.2f}" for name, gap in spread.items())
    what = (
        f"{baud} Bd, {registers} registers a request: share of {possible:.2f}/s (median {usual:.1%}, "
        f"a blocking loop {least:.1%}; gap {shown} ms, silence {1000 * silence(baud):.2f})"
    )
    kept = share >= TARGET and gaps[0] >= 1000 * silence(baud)
    return {"what": what, "value": share, "median": usual, "plain": least, "gap_ms": spread, "target": ">= 90 %", "ok": kept}


async def requests(n: int, most: int) -> dict[str, Any]:
    """Requests that a poll of `n` contiguous points takes."""
    async with world(115_200, {"u": {"unit": 1, "every": "1ms", "points": points(n)}}, demand=3) as w:
        await w.context.done.wait()
        used = w.ask()["asked"] / 3
    return {"what": f"{n} contiguous points: requests a poll", "value": used, "target": f"{most}", "ok": used == most}


async def one_dead(seconds: float) -> dict[str, Any]:
    """20 units, 1 dead: what the others lose."""
    units = {f"u{n:02}": {"unit": n, "every": "1s", "points": points(10)} for n in range(1, 21)}
    async with world(19_200, units, dead=1) as w:
        await asyncio.sleep(seconds)
        counts, read = w.context.counts, sum(w.context.readings.values())
    polls = 19 * seconds
    share = max(0.0, 1 - read / polls, counts["slots_coalesced"] / polls)
    what = f"20 units at 1 s, 1 dead, {seconds:g} s at 19,200 Bd: lost of {polls:.0f} polls ({counts['timeouts']} time-outs)"
    return {"what": what, "value": share, "target": "< 1 %", "ok": share < 0.01}


async def command_wait(baud: int) -> dict[str, Any]:
    """A command, with all lanes overloaded, waits for the running transaction; then it takes its own.

    Judged is the longest; a tenth is for a machine that is late.
    """
    busy = {lane: {"unit": n, "every": "1ms", "lane": lane} for n, lane in enumerate(("alarm", "poll", "background"), 1)}
    units = {lane: {**unit, "points": points(125)} for lane, unit in busy.items()}
    units["poll"]["points"]["w"] = {"holding": 999, "writable": True}
    async with world(baud, units) as w:
        await asyncio.sleep(0.5)
        random, took = Random(2), []
        for i in range(15):
            await asyncio.sleep(random.uniform(0.05, 0.4))
            start = w.context.clock.monotonic()
            result = await w.adapter.write("poll/w", i, str(i))
            assert result.status == "confirmed", result
            took.append(w.context.clock.monotonic() - start)
    bound = 1 / theoretical(baud, 125) + (8 + 8) * BITS / baud + TURNAROUND_S + silence(baud)
    found = f"median {1000 * median(took):.0f} ms, longest {1000 * max(took):.0f} ms"
    what = f"{baud} Bd, all lanes full, 15 commands: {found}; the running poll and the write take {1000 * bound:.0f} ms at most"
    return {"what": what, "value": max(took) / bound, "target": "<= 110 %", "ok": max(took) <= 1.1 * bound}


async def rows(seconds: float) -> list[dict[str, Any]]:
    found = [await throughput(baud, registers, seconds) for baud in (9_600, 115_200) for registers in (10, 60, 125)]
    found += [await requests(100, 1), await requests(1000, 8), await one_dead(6 * seconds)]
    return [*found, await command_wait(9_600), await command_wait(115_200)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--role", choices=["slaves"], help=argparse.SUPPRESS)
    for name in ("--baud", "--units", "--dead"):
        parser.add_argument(name, type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.role:
        slaves(args.baud, args.units, args.dead)
        return
    found = asyncio.run(rows(args.seconds))
    if args.json:
        print(json.dumps(found))
    else:
        print("| what | found | target | |\n|---|---:|---|---|")
        for row in found:
            value = f"{row['value']:g}" if row["target"].isdigit() else f"{row['value']:.1%}"
            print(f"| {row['what']} | {value} | {row['target']} | {'ok' if row['ok'] else 'MISSED'} |")
    sys.exit(0 if all(row["ok"] for row in found) else 1)


if __name__ == "__main__":
    main()

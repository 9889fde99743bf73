"""Between a reply and the next request: what may happen there, what has to wait, and that the line is silent for long enough."""

from __future__ import annotations

import asyncio
import time as real_time
from pathlib import Path
from typing import Any

import pytest

from adapters.modbus.fine_timer import FineTimer, fine_timer
from adapters.modbus.link import Link
from tests.adapters.modbus.conftest import SimAlarm, SimLoop

SERIAL = {"serial": "/dev/ttyUSB0", "timeout": "200ms"}
TUNNEL = {"tcp": "127.0.0.1:502", "framing": "rtu", "timeout": "200ms"}
NANS = (0x7F80, 0x7FFF)
"""The first and the last that are no number as both registers of a float32; the slaves of these tests fill a reply with the
number of its request."""


def units(n: int, every: str = "1s", **point: Any) -> dict[str, Any]:
    points = {f"r{i}": {"holding": 2 * i, **point} for i in range(5)}
    return {f"u{n}": {"unit": n, "every": every, "points": points} for n in range(1, n + 1)}


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_next_request_goes_out_before_the_reply_is_published(world: Any) -> None:
    """Where no silence is needed, the second unit is asked in the turn in which the first one's reply came, and before its
    Reading is emitted; its time is that of the reply."""
    w = world(channel=TUNNEL, units=units(2, every="1ms"), overload="coalesce")
    events: list[str] = []
    write, emit = w.line.write, w.context.emit
    w.line.write = lambda data: (events.append(f"ask {data[0]}"), write(data))
    w.context.emit = lambda readings, *more: (events.append(f"publish {readings[0].source}"), emit(readings, *more))
    w.demand(3)
    w.time.run_until(5)
    assert events == ["ask 1", "ask 2", "publish plc/u1", "ask 1", "publish plc/u2", "publish plc/u1"]
    times = [e.reading.ts for e in w.context.emitted]
    assert times == sorted(times)


@pytest.mark.parametrize("baud", [1200, 9600, 19_200, 115_200])
def test_line_is_silent_for_as_long_as_the_standard_says(world: Any, fate: Any, baud: int) -> None:
    """3.5 characters up to 19,200 baud and 1.75 ms above, after whole replies and after those that come in pieces; not much more
    when there is more to ask."""
    w = world(channel={**SERIAL, "baud": baud}, units=units(3, every="1ms"), overload="coalesce")
    w.line.fates = lambda unit: fate(pieces=unit)
    w.demand(40)
    w.time.run_until(60)
    assert len(w.context.emitted) == 40
    assert w.line.too_early == []
    assert w.line.wire.silence == (0.00175 if baud > 19_200 else pytest.approx(3.5 * 11 / baud))
    w.line.wire = w.line.wire._replace(silence=1.01 * w.line.wire.silence)  # the next ones are exactly in time
    w.demand(10)
    w.time.run_until(120)
    assert len(w.line.too_early) == 9


def test_demand_stays_when_the_values_turn_out_to_be_none(world: Any) -> None:
    """A poll whose registers hold no value is no Reading: whoever asked for one gets that of the next slot, not later, and that
    nobody asked is not said."""
    w = world(channel={**SERIAL, "timeout": "20s"}, units=units(1, type="float32"))
    w.line.serial = NANS[1] - 15
    w.demand(1)
    w.time.run_until(30)
    (emitted,) = w.context.emitted
    assert len(emitted.reading.fields) == 5
    assert [round(at, 3) for at, _ in w.line.sent] == [float(n) for n in range(16)]
    assert w.context.counts["polls_failed"] == 15
    w.time.run_until(w.time.now + 1)
    assert [reason for _, reason, _, _ in w.context.gaps] == ["refused"]


def test_pause_begins_when_the_last_demand_was_met(world: Any) -> None:
    """Nobody asked for four seconds, again and again, or for two after a poll without a value: no hole is said for that."""
    w = world(channel=SERIAL, units=units(1, type="float32"))
    for n in range(1, 6):
        w.demand(1)
        w.time.run_until(4.0 * n)
    assert len(w.context.emitted) == 5
    w.line.serial = NANS[1] - 12
    w.demand(1)
    assert w.time.run_until(60, lambda: len(w.context.emitted) == 6)
    assert w.context.counts["polls_failed"] == 12
    w.time.run_until(w.time.now + 2)
    w.demand(1)
    assert [reason for _, reason, _, _ in w.context.gaps] == ["refused"]


def test_reading_is_whole_when_it_takes_several_requests(world: Any) -> None:
    """Blocks that are decoded while the next one is on the wire end in one Reading, with those that gave no value named; also
    where the last block is not asked for any more, because the unit refuses it."""
    points = {f"r{i}": {"holding": 200 * i, "type": "float32" if i == 1 else "uint16"} for i in range(4)}
    w = world(channel=TUNNEL, units={"u": {"unit": 1, "points": points}})
    w.line.serial = NANS[0]
    w.line.refuses = lambda unit, function, address, count: 2 if address == 600 else 0
    fields: list[set[str]] = []
    emit = w.context.emit
    w.context.emit = lambda readings, *more: (fields.append(set(readings[0].fields)), emit(readings, *more))
    w.demand(2)
    w.time.run_until(1.9)
    assert len(w.line.sent) == 7
    assert fields == [{"r0", "r2"}] * 2
    assert [e.reading.quality for e in w.context.emitted] == ["uncertain"] * 2
    assert [set(e.reading.tags["missing"].split(",")) for e in w.context.emitted] == [{"r1", "r3"}] * 2


def test_what_was_read_is_published_when_the_line_is_lost_at_once(world: Any) -> None:
    """A connection that ends with the reply does not take the Reading with it."""
    w = world(channel=TUNNEL, units=units(2, every="1ms"), overload="coalesce")
    w.line.write = lambda data, write=w.line.write: (write(data), data[0] == 2 and w.link.on_lost(OSError("gone")))
    w.demand(2)
    w.time.run_until(5)
    assert [e.reading.source for e in w.context.emitted] == ["plc/u1"]


@pytest.mark.parametrize("answers", [True, False])
def test_request_of_the_connection_before_has_its_time(world: Any, fate: Any, answers: bool) -> None:
    """A port that is closed in the middle of a transaction and opened again: the unit may still answer the first request, and
    is not interrupted. The next one goes out when that reply has come, or when its time is over; then (for both units, as the
    second is silent once, too) the order of replies is proven first."""
    w = world(channel={**SERIAL, "baud": 9600}, units=units(2, every="1ms"), overload="coalesce")
    w.line.fates = lambda unit: fate(silent=not answers, delay=0.05)
    w.demand(10)
    w.time.run_until(0.01)
    assert len(w.line.sent) == 1
    asyncio.run(w.link.close("closed"))
    w.line.link = again = Link(w.bus, w.framing, w.line.wire, w.context, [].append, SimLoop(w.time))
    again.start(w.line, 0.0, SimAlarm(w.time))
    due = w.line.sent[0][0] + (8 + 23) * w.line.wire.char + (0.05 + w.line.wire.turnaround if answers else 0.2)
    assert w.time.run_until(1, lambda: len(w.line.sent) == 2)
    assert w.line.too_early == []
    assert w.line.sent[1][0] == pytest.approx(due + (w.line.wire.silence if answers else 0), abs=1e-3)
    w.line.fates = lambda unit: fate()
    assert w.time.run_until(20, lambda: len(w.context.emitted) == 10)
    assert w.line.misattributed == []
    assert (w.context.counts.get("late_frames", 0), w.context.counts.get("syncs", 0)) == ((1, 0) if answers else (0, 2))


def test_fine_timer_is_never_early_and_the_last_setting_counts() -> None:
    """On a real loop: 1.75 ms take 1.75 ms at least, a setting replaces the one before, and nothing comes once it is closed."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        before = open_files()
        timer = fine_timer(loop)
        assert isinstance(timer, FineTimer)
        fired: asyncio.Queue[float] = asyncio.Queue(10)
        timer.start(lambda: fired.put_nowait(real_time.monotonic()))
        for _ in range(20):
            start = real_time.monotonic()
            timer.set(60.0)
            timer.set(0.00175)
            assert await asyncio.wait_for(fired.get(), 5) - start >= 0.00175
        assert fired.empty()
        timer.set(0.0)
        timer.close()
        timer.close()
        timer.set(0.0)
        await asyncio.wait_for(loop.run_in_executor(None, real_time.monotonic), 5)
        assert fired.empty()
        assert open_files() == before

    asyncio.run(main())

"""What units teach: the greatest block, holes, single points, the turnaround; under hand-wound time, and over restarts."""

from __future__ import annotations

import asyncio
import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.modbus import ModbusAdapter
from adapters.modbus.blocks import Limits, Point
from adapters.modbus.codec import PointCodec
from adapters.modbus.learned import Learned
from adapters.modbus.learned_file import FILE
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.modbus_slave import RtuSlave, SlaveBank, SlaveUnit

SERIAL = {"serial": "/dev/ttyUSB0", "baud": 19200, "timeout": "200ms"}


def refuse_over(most: int, exception: int) -> Any:
    return lambda unit, function, address, count: exception if count > most else 0


def reads(world: Any, since: int) -> list[tuple[int, int]]:
    """(address, count) of the requests after the first `since`."""
    return [(int.from_bytes(f[2:4], "big"), int.from_bytes(f[4:6], "big")) for _, f in world.line.sent[since:]]


@pytest.mark.parametrize("exception", [2, 3])
@pytest.mark.parametrize("most", [100, 64, 32, 17])
def test_greatest_block_is_learned_when_a_unit_gives_fewer_registers(world: Any, most: int, exception: int) -> None:
    """1,000 points of a unit that gives `most` registers: soon the fewest requests possible, found by bisection."""
    points = {f"r{i}": {"holding": i} for i in range(1000)}
    w = world(channel=SERIAL, units={"u": {"unit": 1, "every": "10s", "points": points}})
    w.line.refuses = refuse_over(most, exception)
    w.demand(10**6)
    w.time.run_until(199.9)
    assert all(e.reading.quality == "good" and len(e.reading.fields) == 1000 for e in w.context.emitted)
    learned = w.bus.units["u"].learned
    assert learned.limits.registers == most
    assert w.context.counts["exceptions"] <= 20
    sent = len(w.line.sent)
    w.time.run_until(209.9)
    assert reads(w, sent) == [(i * most, min(most, 1000 - i * most)) for i in range(-(-1000 // most))]


@pytest.mark.parametrize(("n", "requests"), [(100, 1), (1000, 8)])
def test_contiguous_points_take_the_fewest_requests_when_they_are_polled(world: Any, n: int, requests: int) -> None:
    """On the wire: 100 contiguous points are 1 request a poll, 1,000 are 8."""
    w = world(channel=SERIAL, units={"u": {"unit": 1, "every": "10s", "points": {f"r{i}": {"holding": i} for i in range(n)}}})
    w.demand(3)
    w.time.run_until(60)
    assert len(w.context.emitted) == 3
    assert len(w.line.sent) == 3 * requests


@pytest.mark.parametrize("there", [{0, 1, 2, 50, 99}, set(range(100)) - {37}, set(range(100)) - {0, 99}, set()])
def test_points_that_are_not_there_are_found_when_the_rest_is_read(world: Any, there: set[int]) -> None:
    """All points that exist are read, those that do not are asked for alone, once in ten minutes."""
    w = world(channel=SERIAL, units={"u": {"unit": 1, "every": "5s", "points": {f"r{i}": {"holding": i} for i in range(100)}}})
    w.line.refuses = lambda unit, function, address, count: 0 if all(a in there for a in range(address, address + count)) else 2
    w.demand(10**6)
    w.time.run_until(100)
    sent = len(w.line.sent)
    w.time.run_until(200)
    if there:
        assert set(w.context.emitted[-1].reading.fields) == {f"r{i}" for i in there}
        assert w.context.emitted[-1].reading.quality == "uncertain"
    runs = sum(i - 1 not in there for i in there)
    assert len(w.line.sent) - sent == 20 * runs
    w.time.run_until(700)
    asked = {address for address, count in reads(w, sent) if count == 1}
    assert asked >= set(range(100)) - there


def test_point_is_read_with_its_neighbours_again_when_it_appears(world: Any) -> None:
    """A point that was refused and then answers, at the latest after ten minutes, costs no request of its own any more."""
    w = world(channel=SERIAL, units={"u": {"unit": 1, "every": "5s", "points": {f"r{i}": {"holding": i} for i in range(10)}}})
    gone = True
    w.line.refuses = lambda unit, function, address, count: 2 if gone and address <= 4 < address + count else 0
    w.demand(10**6)
    w.time.run_until(100)
    gone = False
    w.time.run_until(752)
    sent = len(w.line.sent)
    w.time.run_until(757)
    assert reads(w, sent) == [(0, 10)]
    assert w.context.emitted[-1].reading.quality == "good"


def test_hole_is_remembered_when_it_cannot_be_read_through(world: Any) -> None:
    """The unit has registers 0..4 and 8..9: after one refusal it is asked for these, and for no more."""
    points = {f"r{i}": {"holding": i} for i in (*range(5), 8, 9)}
    w = world(channel=SERIAL, units={"u": {"unit": 1, "every": "5s", "points": points}})
    w.line.refuses = lambda unit, function, address, count: 2 if address <= 6 < address + count else 0
    w.demand(10**6)
    w.time.run_until(99)
    assert w.context.counts["exceptions"] == 1
    assert reads(w, len(w.line.sent) - 2) == [(0, 5), (8, 2)]


def test_refusal_of_a_function_silences_that_request_only(world: Any) -> None:
    """Exception 1 to input registers: the holding registers of the same poll go on, the inputs are left alone for ten minutes."""
    points = {"a": {"holding": 0}, "b": {"input": 0}}
    w = world(channel=SERIAL, units={"u": {"unit": 1, "every": "5s", "points": points}})
    w.line.refuses = lambda unit, function, address, count: 1 if function == 4 else 0
    w.demand(10**6)
    w.time.run_until(599)
    assert sum(frame[1] == 4 for _, frame in w.line.sent) == 1
    w.time.run_until(700)
    assert sum(frame[1] == 4 for _, frame in w.line.sent) == 2


@given(
    most=st.integers(1, 125),
    missing=st.sets(st.integers(0, 199), max_size=12),
    where=st.sets(st.integers(0, 199), min_size=1, max_size=200),
    unreadable=st.sets(st.integers(0, 199), max_size=12),
)
def test_everything_there_is_read_when_units_refuse_for_any_reason(
    most: int, missing: set[int], where: set[int], unreadable: set[int]
) -> None:
    """Any greatest block, any points and gaps that do not exist: each poll ends, and soon each reads all that is there."""
    learned = Learned(Limits(125, 2000, 12), None)
    points = [Point(f"r{i}", "holding", i, PointCodec("uint16")) for i in sorted(where)]
    not_there = missing | (unreadable - where)
    now = 0.0
    read: set[str] = set()
    requests = 0
    for _ in range(60):
        queue, read, requests = learned.blocks(points), set(), 0
        version = learned.version
        while queue:
            block = queue.pop(0)
            if learned.refuses(block, now):
                continue
            requests += 1
            assert requests < 2000, "a poll does not end"
            span = range(block.address, block.address + block.count)
            if block.count > most or any(i in not_there for i in span):
                queue = learned.refused(block, now) + queue
            else:
                learned.answered(block)
                assert not read & set(block.names), "read twice"
                read |= set(block.names)
            if learned.version != version:
                version = learned.version
                queue = learned.blocks([point for block in queue for point in block.points])
        now += 1
    assert read == {f"r{i}" for i in where - not_there}
    assert all(block.count <= 125 for block in learned.blocks(points))


@pytest.mark.parametrize(
    ("baud", "turnaround", "hole"), [(9600, 0.005, 12), (19200, 0.005, 14), (115200, 0.005, 51), (9600, 0.05, 31)]
)
def test_hole_follows_from_the_measured_turnaround_when_it_is_not_set(
    world: Any, baud: int, turnaround: float, hole: int
) -> None:
    """A unit with 5 ms: 12, 14 and 51 registers at 9.6, 19.2 and 115.2 kBd; with 50 ms bigger holes are read through."""
    points = {"a": {"holding": 0}, "b": {"holding": 1 + hole}}
    w = world(channel={**SERIAL, "baud": baud}, units={"u": {"unit": 1, "every": "1s", "points": points}})
    silence = w.line.wire.silence  # a unit knows by it that the request is whole
    w.line.turnaround = lambda unit: silence + turnaround
    w.demand(10**6)
    w.time.run_until(40.5)
    assert w.bus.units["u"].learned.limits.hole == pytest.approx(hole, abs=1)
    assert w.context.gauges["turnaround_s"] == pytest.approx(turnaround, rel=0.01)
    assert reads(w, len(w.line.sent) - 1) == [(0, 2 + hole)]


def test_hole_stays_when_a_unit_is_slow_now_and_then(world: Any) -> None:
    """One reply in five takes 150 ms longer: the turnaround is the median of 15 round trips, so a 5 ms unit stays one."""
    points = {"a": {"holding": 0}, "b": {"holding": 15}}
    w = world(channel=SERIAL, units={"u": {"unit": 1, "every": "1s", "points": points}})
    quick, asked = w.line.wire.silence + 0.005, count()
    w.line.turnaround = lambda unit: quick + (0.15 if next(asked) % 5 == 0 else 0.0)
    w.demand(10**6)
    w.time.run_until(61)
    assert "timeouts" not in w.context.counts
    assert w.context.gauges["turnaround_s"] == pytest.approx(0.005, rel=0.01)
    assert w.bus.units["u"].learned.limits.hole == pytest.approx(14, abs=1)


def test_requests_are_cut_apart_when_a_unit_turns_out_to_be_quick(world: Any) -> None:
    """At 115,200 baud with a unit of 0.2 ms, 40 registers take longer than a second request."""
    points = {"a": {"holding": 0}, "b": {"holding": 41}}
    w = world(channel={**SERIAL, "baud": 115200}, units={"u": {"unit": 1, "every": "1s", "points": points}})
    w.line.turnaround = lambda unit: 0.00195
    w.demand(10**6)
    w.time.run_until(0.5)
    assert reads(w, 0) == [(0, 42)]
    w.time.run_until(40.5)
    assert reads(w, len(w.line.sent) - 2) == [(0, 1), (41, 1)]


@pytest.mark.parametrize("set_by_hand", [{"channel": {**SERIAL, "turnaround": "5ms"}}, {"hole_registers": 14}])
def test_hole_stays_when_it_is_set_by_hand(world: Any, set_by_hand: dict[str, Any]) -> None:
    """A turnaround or a hole of the user's own is not overruled by what was measured."""
    points = {"a": {"holding": 0}, "b": {"holding": 30}}
    hole = {"hole_registers": set_by_hand["hole_registers"]} if "hole_registers" in set_by_hand else {}
    w = world(channel=set_by_hand.get("channel", SERIAL), units={"u": {"unit": 1, "every": "1s", "points": points, **hole}})
    w.line.turnaround = lambda unit: 0.15
    w.demand(10**6)
    w.time.run_until(40.5)
    assert w.bus.units["u"].learned.limits.hole == 14
    assert "turnaround_s" not in w.context.gauges


def test_unit_is_not_asked_anew_what_it_takes_when_the_adapter_starts_again(settings: Any, tmp_path: Path) -> None:
    """Greatest block, hole and missing point are in a file: the next life makes no request that would be refused, but one."""

    async def main() -> None:
        device = SlaveUnit(holding={i: i for i in (*range(50), *range(52, 80)) if i != 20})
        device.max_registers = 16
        points = {f"r{i}": {"holding": i} for i in (*range(50), *range(52, 80))}
        async with RtuSlave(SlaveBank({1: device})) as slave:
            channel = {"serial": str(slave.path), "baud": 115200, "parity": "none", "timeout": "200ms"}
            made = settings(channel=channel, units={"u": {"unit": 1, "every": "20ms", "points": points}}, overload="coalesce")
            asked = []
            for life in range(3):
                if life == 2:  # the unit at this address is another one now
                    made = settings(
                        channel=channel, units={"u": {"unit": 2, "every": "20ms", "points": points}}, overload="coalesce"
                    )
                    slave.bank[2] = slave.bank.pop(1)
                h = AdapterHarness(ModbusAdapter, made, tmp_path)
                before = device.asked
                await h.open()
                h.demand(12)
                await h.received(12)
                await h.close()
                assert set(h.readings[-1].fields) == set(points) - {"r20"}
                asked.append((h.context.counts["exceptions"], device.asked - before))
            (first, _), (second, requests), (third, _) = asked
            assert first > 10
            assert second == 1
            assert requests == 12 * 6 + 1  # 0-15, 16-19, 21-36, 37-49, 52-67, 68-79, and 20 once
            assert third > 10
            kept = json.loads((tmp_path / FILE).read_text())["units"]["u"]
            assert kept["registers"] == [16, 17]
            assert kept["refused"] == [["holding", 20]]

    asyncio.run(asyncio.wait_for(main(), 30))


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"since": 0}', b'{"since": 1699999999, "units": {"u": {"unit": 1}}}', b"\xff"]
)
def test_start_goes_on_when_what_was_learned_cannot_be_read(content: bytes, settings: Any, tmp_path: Path) -> None:
    """A damaged file is said once and counted; everything is learned again."""

    async def main() -> None:
        async with RtuSlave(SlaveBank({1: SlaveUnit(holding=[7])})) as slave:
            (tmp_path / FILE).write_bytes(content)
            channel = {"serial": str(slave.path), "parity": "none"}
            h = AdapterHarness(ModbusAdapter, settings(channel=channel, units={"u": {"points": {"a": {"holding": 0}}}}), tmp_path)
            await h.open()
            h.demand(1)
            await h.received(1)
            await h.close()
            assert h.readings[0].fields == {"a": 7}

    asyncio.run(asyncio.wait_for(main(), 30))

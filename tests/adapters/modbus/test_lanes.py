"""Lanes: command before alarm before poll before background, and nobody waits for ever."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from adapters.modbus.jobs import Job, ping_steps, write_steps
from adapters.modbus.schedule import PATIENCE
from rt_edge.sdk import WriteResult

SERIAL = {"serial": "/dev/ttyUSB0", "baud": 9600, "timeout": "200ms"}
POINTS = {f"r{i}": {"holding": i} for i in range(30)}
WRITABLE = {**POINTS, "w": {"holding": 30, "writable": True}}


def unit(number: int, lane: str, every: str, **more: Any) -> dict[str, Any]:
    return {"unit": number, "lane": lane, "every": every, "points": POINTS, **more}


def test_alarm_keeps_its_period_when_the_line_is_overloaded(world: Any) -> None:
    """Ten times more polls than fit: the alarm is read every 500 ms all the same, though its deadline is never the earliest."""
    units = {"alarm": unit(1, "alarm", "500ms"), **{f"u{n}": unit(n, "poll", "100ms") for n in range(2, 12)}}
    w = world(channel=SERIAL, units=units, overload="coalesce")
    w.demand(10**6)
    w.time.run_until(100)
    times = [at for at, frame in w.line.sent if frame[0] == 1]
    assert len(times) == 200
    longest = w.line.wire.exchange(5, 62)
    assert max(at % 0.5 for at in times) <= longest + 0.001


def test_without_lanes_the_same_unit_loses_polls_when_the_line_is_overloaded(world: Any) -> None:
    """The comparison: in the lane of the others, deadlines alone decide."""
    units = {"alarm": unit(1, "poll", "500ms"), **{f"u{n}": unit(n, "poll", "100ms") for n in range(2, 12)}}
    w = world(channel=SERIAL, units=units, overload="coalesce")
    w.demand(10**6)
    w.time.run_until(100)
    assert sum(frame[0] == 1 for _, frame in w.line.sent) < 190


def test_lower_lanes_are_not_starved_when_the_higher_could_take_all(world: Any) -> None:
    """Each lane takes a tenth of the requests at least, and is asked again after nine others at the latest."""
    units = {"a": unit(1, "alarm", "10ms"), "p": unit(2, "poll", "10ms"), "b": unit(3, "background", "10ms")}
    w = world(channel=SERIAL, units=units, overload="coalesce")
    w.demand(10**6)
    w.time.run_until(200)
    asked = [frame[0] for _, frame in w.line.sent]
    counts = Counter(asked)
    assert min(counts.values()) >= 0.1 * len(asked)
    assert counts[1] > counts[2] + counts[3]
    for number in (2, 3):
        places = [i for i, who in enumerate(asked) if who == number]
        assert max(b - a for a, b in pairwise(places)) <= PATIENCE + 3


def test_polls_go_on_when_commands_never_end(world: Any) -> None:
    """A flood of commands, always one waiting: one request in eight is a poll's, the others are commands."""
    w = world(channel=SERIAL, units={"u": unit(1, "poll", "10ms")}, overload="coalesce")
    results: list[WriteResult] = []

    def more(result: WriteResult) -> None:
        results.append(result)
        assert w.bus.submit(Job("u", ping_steps(w.bus.units["u"].plan), more, 1e9))

    more(WriteResult("confirmed"))
    more(WriteResult("confirmed"))
    w.demand(10**6)
    w.time.run_until(100)
    polls = len(w.context.emitted)
    assert polls >= len(w.line.sent) // (PATIENCE + 1) - 1
    assert len(results) > 6 * polls


def test_command_waits_for_the_running_transaction_alone_when_all_lanes_are_overloaded(world: Any) -> None:
    """200 commands, one at a time: lanes that wait for their turn among polls do not go before them."""
    lanes = {lane: unit(n, lane, "10ms", points=WRITABLE) for n, lane in enumerate(("alarm", "poll", "background"), 1)}
    w = world(channel=SERIAL, units=lanes, overload="coalesce")
    w.demand(10**6)
    plan = w.bus.units["poll"].plan.points["w"]
    random, took = Random(1), []
    for i in range(200):
        at = w.time.now + random.uniform(0.5, 1.5)
        w.time.run_until(at)
        results: list[WriteResult] = []
        assert w.bus.submit(Job("poll", write_steps(plan, i), results.append, at + 10))
        w.link.kick()
        assert w.time.run_until(at + 5, lambda results=results: bool(results))
        took.append(w.time.now - at)
    assert max(took) <= w.line.wire.exchange(5, 2 + 2 * len(WRITABLE)) + w.line.wire.exchange(5, 5) + 0.001


def test_each_lane_goes_on_when_commands_never_end(world: Any) -> None:
    """All lanes overloaded, and always a command waiting: each of the three gets a tenth of the line, commands the rest."""
    lanes = {lane: unit(n, lane, "10ms") for n, lane in enumerate(("alarm", "poll", "background"), 1)}
    w = world(channel=SERIAL, units={**lanes, "c": unit(4, "poll", "1h")}, overload="coalesce")

    def more(_: WriteResult) -> None:
        assert w.bus.submit(Job("c", ping_steps(w.bus.units["c"].plan), more, 1e9))

    more(WriteResult("confirmed"))
    more(WriteResult("confirmed"))
    w.demand(10**6)
    w.time.run_until(100)
    counts = Counter(frame[0] for _, frame in w.line.sent)
    assert min(counts[n] for n in (1, 2, 3)) >= 0.099 * counts.total()
    assert counts[4] >= 0.69 * counts.total()


@pytest.mark.parametrize("lane", ["alarm", "background"])
def test_point_has_a_reading_of_its_own_when_its_lane_is_another(world: Any, lane: str) -> None:
    """A point can be more urgent than its unit: it is read on its own."""
    points = {"a": {"holding": 0}, "b": {"holding": 1, "lane": lane}}
    w = world(channel=SERIAL, units={"u": {"unit": 1, "points": points}})
    w.demand(2)
    w.time.run_until(10)
    assert sorted(tuple(e.reading.fields) for e in w.context.emitted) == [("a",), ("b",)]


def test_poll_is_interrupted_between_its_requests_when_an_alarm_is_due(world: Any) -> None:
    """An alarm waits for the running request, not for the running poll of eight requests."""
    many = {f"r{i}": {"holding": i} for i in range(1000)}
    units = {"a": unit(1, "alarm", "1s"), "b": {"unit": 2, "lane": "background", "every": "1s", "points": many}}
    w = world(channel={**SERIAL, "baud": 19200}, units=units, overload="coalesce")
    w.demand(10**6)
    w.time.run_until(60)
    times = [at for at, frame in w.line.sent if frame[0] == 1]
    assert len(times) == 60
    assert max(at % 1.0 for at in times) <= w.line.wire.exchange(5, 252) + 0.001

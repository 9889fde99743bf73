"""The arbiter under hand-wound time."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from adapters.modbus.jobs import Job, ping_steps, write_steps
from rt_edge.sdk import WriteResult

SERIAL = {"serial": "/dev/ttyUSB0", "baud": 19200, "timeout": "200ms"}


def units(n: int, every: str = "1s", registers: int = 10, **more: Any) -> dict[str, Any]:
    points = {f"r{i}": {"holding": i} for i in range(registers)}
    return {f"u{n:02}": {"unit": n, "every": every, "points": points, **more} for n in range(1, n + 1)}


def by_source(world: Any) -> Counter[str]:
    return Counter(e.reading.source for e in world.context.emitted)


def test_nothing_is_sent_when_nobody_asks(world: Any) -> None:
    """Without demand there is no request on the wire and no timer either."""
    w = world(channel=SERIAL, units=units(5))
    w.time.run_until(100)
    assert w.line.sent == []
    assert not w.time.step()


def test_one_reading_and_one_poll_when_one_is_asked_for(world: Any) -> None:
    """A demand of one is one request and one Reading with all points, and then silence."""
    w = world(channel=SERIAL, units=units(1))
    w.demand(1)
    w.time.run_until(30)
    (emitted,) = w.context.emitted
    assert emitted.reading.source == "plc/u01"
    assert set(emitted.reading.fields) == {f"r{i}" for i in range(10)}
    assert emitted.reading.quality == "good"
    assert emitted.reading.ts == emitted.reading.received
    assert len(w.line.sent) == 1


def test_first_polls_are_spread_when_units_have_one_period(world: Any) -> None:
    """Ten units at one second begin a tenth of a second apart."""
    w = world(channel=SERIAL, units=units(10))
    w.demand(1000)
    w.time.run_until(0.99)
    times = [round(at, 3) for at, _ in w.line.sent]
    assert len(times) == 10
    assert all(abs(at - i / 10) < 0.03 for i, at in enumerate(times))


def test_period_does_not_drift_when_polls_take_time(world: Any) -> None:
    """After 500 s at 1 s there are 500 polls, each begun within one transaction of its slot."""
    w = world(channel=SERIAL, units=units(3))
    w.demand(10**6)
    w.time.run_until(499.99)
    assert by_source(w) == {"plc/u01": 500, "plc/u02": 500, "plc/u03": 500}
    for at, frame in w.line.sent:
        phase = (at - (frame[0] - 1) * 6 / 20) % 1.0  # three units over 20 phases: 0, 0.3, 0.65
        assert min(phase, 1 - phase) < 0.1


def test_missed_slots_are_one_poll_when_demand_returns(world: Any) -> None:
    """60 s without demand are followed by one poll at once and then the old rhythm, not by 60 polls; the hole is said once."""
    w = world(channel=SERIAL, units=units(1))
    w.demand(5)
    w.time.run_until(60.25)
    assert len(w.context.emitted) == 5
    w.demand(100)
    w.time.run_until(63.9)
    times = [round(at, 2) for at, _ in w.line.sent[5:9]]
    assert times == [60.25, 61.0, 62.0, 63.0]
    assert w.context.counts["slots_coalesced"] == 55
    assert [(source, reason) for source, reason, _, _ in w.context.gaps] == [("plc/u01", "no_demand")]


def test_earliest_deadline_goes_first_when_several_are_due(world: Any) -> None:
    """A fast unit keeps its period beside a slow unit that needs many requests."""
    slow = {"unit": 2, "every": "30s", "hole_registers": 0, "points": {f"p{i}": {"holding": 3 * i} for i in range(100)}}
    fast = {"unit": 1, "every": "200ms", "points": {"x": {"input": 0}}}
    w = world(channel=SERIAL, units={"slow": slow, "fast": fast})
    w.demand(10**6)
    w.time.run_until(59.95)
    counts = by_source(w)
    assert counts["plc/fast"] == 300
    assert counts["plc/slow"] == 2
    assert w.context.counts.get("slots_coalesced", 0) == 0


def test_earliest_deadline_goes_first_when_many_have_waited_longer(world: Any) -> None:
    """After a pause 40 slow units are due at once, seconds of work: the fast one goes between, each time, though it came last."""
    fast = {"unit": 99, "every": "200ms", "points": {"x": {"holding": 0}}}
    w = world(channel=SERIAL, units={**units(40, every="1h", registers=60), "fast": fast})
    w.time.run_until(3500)
    w.demand(10**6)
    w.time.run_until(3503)
    slow = [at for at, frame in w.line.sent if frame[0] != 99]
    assert len(slow) >= 15
    assert max(slow) > 3502.5
    times = [at for at, frame in w.line.sent if frame[0] == 99]
    assert len(times) == 15
    longest = w.line.wire.exchange(5, 122)
    assert max((at - times[0]) % 0.2 for at in times[1:]) <= longest + 0.001


def test_others_lose_less_than_one_percent_when_one_of_twenty_is_dead(world: Any, fate: Any) -> None:
    """20 units, 1 dead: the other 19 keep 99 % of their polls, the dead one takes at most 5 % of the time, and gaps say so."""
    w = world(channel=SERIAL, units=units(20))
    w.line.fates = lambda unit: fate(silent=unit == 7)
    w.demand(10**6)
    w.time.run_until(600)
    counts = by_source(w)
    assert "plc/u07" not in counts
    for n in range(1, 21):
        if n != 7:
            assert counts[f"plc/u{n:02}"] >= 0.99 * 600
    assert w.bus.stats.busy_unanswered <= 0.05 * 600
    assert w.context.counts["breaker_opened"] == 1
    gaps = [gap for gap in w.context.gaps if gap[0] == "plc/u07"]
    assert 5 <= len(gaps) <= 11
    assert all(a[3] == b[2] for a, b in pairwise(gaps))  # seamless
    assert {gap[0] for gap in w.context.gaps} == {"plc/u07"}
    lost = [line for line in w.context.logs if line.event.startswith("unit does not answer")]
    assert len(lost) == 1


def test_share_of_a_dead_unit_is_bounded_when_timeout_is_long(world: Any, fate: Any) -> None:
    """With a time-out of 3 s, longer than every period, a dead unit still takes at most 5 % in the long run."""
    w = world(channel={**SERIAL, "timeout": "3s"}, units=units(5), retry_min="1s", retry_max="1s")
    w.line.fates = lambda unit: fate(silent=unit == 2)
    w.demand(10**6)
    w.time.run_until(1000)
    before = w.bus.stats.busy_unanswered
    w.time.run_until(5_000)
    assert w.bus.stats.busy_unanswered - before <= 0.05 * 4_000


def test_unit_is_polled_again_when_it_returns(world: Any, fate: Any) -> None:
    """A unit that was given up is found again by a probe; one gap record spans the outage, one log line each way."""
    w = world(channel=SERIAL, units=units(3))
    dead: set[int] = set()
    w.line.fates = lambda unit: fate(silent=unit in dead)
    w.demand(10**6)
    w.time.run_until(10)
    dead.add(2)
    w.time.run_until(30)
    dead.clear()
    w.time.run_until(100)
    readings = [e.reading for e in w.context.emitted if e.reading.source == "plc/u02"]
    assert readings[-1].ts > w.time.wall_ns() - 2_000_000_000
    ((source, reason, start, end),) = w.context.gaps
    assert (source, reason) == ("plc/u02", "timeout")
    assert start in {r.ts for r in readings}
    assert end in {r.ts for r in readings}
    assert not [r for r in readings if start < r.ts < end]
    assert [line.event for line in w.context.logs] == ["unit does not answer, others go on without it", "unit answers again"]


def test_reading_is_uncertain_when_a_part_could_not_be_read(world: Any, fate: Any) -> None:
    """What was read is emitted with quality `uncertain` and the names of the rest in the tag `missing`."""
    points = {"a": {"holding": 0}, "b": {"input": 0}}
    w = world(channel=SERIAL, units={"u": {"unit": 1, "tags": {"line": "3"}, "points": points}})
    w.line.fates = lambda unit: fate(damage="exception" if w.line.sent[-1][1][1] == 4 else "none")
    w.demand(1)
    w.time.run_until(10)
    (emitted,) = w.context.emitted
    assert set(emitted.reading.fields) == {"a"}
    assert emitted.reading.quality == "uncertain"
    assert emitted.reading.tags == {"line": "3", "missing": "b"}
    assert w.context.counts["polls_partial"] == 1


def test_demand_stays_when_a_poll_fails(world: Any, fate: Any) -> None:
    """A failed poll uses no demand: the one Reading asked for comes when the unit answers."""
    w = world(channel=SERIAL, units=units(1))
    w.line.fates = lambda unit: fate(silent=w.time.now < 2.5)
    w.demand(1)
    w.time.run_until(60)
    assert len(w.context.emitted) == 1


def test_command_goes_ahead_when_polls_wait(world: Any) -> None:
    """A command waits for the running transaction only, however many polls are due."""
    w = world(channel={**SERIAL, "baud": 9600}, units=units(20, registers=60), overload="coalesce")
    w.demand(10**6)
    w.time.run_until(50)
    results: list[tuple[float, WriteResult]] = []
    plan = w.bus.units["u03"].plan.points["r1"]
    longest = w.line.wire.exchange(5, 122)
    for i in range(20):
        at = 50 + 1.37 * i
        w.time.run_until(at)
        job = Job("u03", write_steps(plan, i), lambda result: results.append((w.time.now, result)), at + 10)
        assert w.bus.submit(job)
        w.link.kick()
        assert w.time.run_until(at + 5, lambda i=i: len(results) > i)
        took = results[-1][0] - at
        assert results[-1][1].status == "confirmed"
        assert took <= longest + w.line.wire.exchange(5, 5) + 0.001
    assert longest < 0.25


def test_nothing_comes_between_when_a_bit_is_changed(world: Any) -> None:
    """Read-modify-write of a bit is two transactions in a row, with no poll between."""
    points = {"alarm": {"holding": 0, "bit": 3, "writable": True}, "v": {"holding": 1}}
    w = world(channel=SERIAL, units={**units(5, every="50ms"), "x": {"unit": 9, "points": points}}, overload="coalesce")
    w.demand(10**6)
    w.time.run_until(5)
    results: list[WriteResult] = []
    w.bus.submit(Job("x", write_steps(w.bus.units["x"].plan.points["alarm"], True), results.append, 100))
    w.link.kick()
    assert w.time.run_until(10, lambda: bool(results))
    assert results[0].status == "confirmed"
    frames = [frame for _, frame in w.line.sent]
    at = next(i for i, frame in enumerate(frames) if frame[1] == 6)
    assert frames[at - 1][:6] == bytes((9, 3, 0, 0, 0, 1))


def test_command_fails_at_once_when_its_unit_is_given_up(world: Any, fate: Any) -> None:
    """A command for a unit behind an open breaker fails without bus time; one that was sent and not answered says `sent`."""
    w = world(channel=SERIAL, units=units(2))
    w.line.fates = lambda unit: fate(silent=unit == 1)
    results: list[WriteResult] = []
    w.bus.submit(Job("u01", write_steps(w.bus.units["u01"].plan.points["r0"], 1), results.append, 100))
    w.link.kick()
    w.time.run_until(1)
    assert results[0].status == "sent"
    w.demand(10**6)
    assert w.time.run_until(20, lambda: w.bus.units["u01"].breaker.state == "open")
    sent = len(w.line.sent)
    w.bus.submit(Job("u01", ping_steps(w.bus.units["u01"].plan), results.append, 100))
    w.link.kick()
    assert w.time.run_until(w.time.now + 0.01, lambda: len(results) == 2)
    assert results[1].status == "failed"
    assert "does not answer; next try in" in results[1].message
    assert len(w.line.sent) == sent


def test_expired_command_is_not_sent_when_it_waited_too_long(world: Any) -> None:
    """A command past its expiry fails without a request."""
    w = world(channel=SERIAL, units=units(1))
    results: list[WriteResult] = []
    w.bus.submit(Job("u01", ping_steps(w.bus.units["u01"].plan), results.append, expires=-1.0))
    w.link.kick()
    w.time.run_until(1)
    assert [r.status for r in results] == ["failed"]
    assert w.line.sent == []


@pytest.mark.parametrize("baud", [9600, 115200])
@pytest.mark.parametrize("registers", [1, 60, 125])
def test_bus_is_used_fully_when_overloaded(baud: int, registers: int, world: Any) -> None:
    """When more is asked for than fits, the line carries 90 % of what is possible (frames, two silences, turnaround), fairly."""
    w = world(channel={**SERIAL, "baud": baud}, units=units(10, every="10ms", registers=registers), overload="coalesce")
    w.demand(10**6)
    w.time.run_until(30)
    possible = 30 / (w.line.wire.exchange(5, 2 + 2 * registers))
    counts = by_source(w)
    assert sum(counts.values()) >= 0.9 * possible
    assert max(counts.values()) - min(counts.values()) <= 2

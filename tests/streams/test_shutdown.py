"""Ordered shutdown: phases, deadlines, what was left."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.streams.shutdown import NAMES, Begin, Phase, Shutdown

PHASES = [Phase(name, 5.0) for name in NAMES]


def test_phases_follow_each_other_when_all_parts_answer() -> None:
    """The next begins when the last part of the one before has answered; one without parts ends at once."""
    shutdown = Shutdown(PHASES, {"sources": ["mqtt", "modbus"], "spools": ["hq"], "uplinks": ["hq"]})
    assert not shutdown.begun
    assert shutdown.begin(10.0) == (Begin("sources", ("mqtt", "modbus"), 15.0),)
    assert shutdown.done("modbus", 11.0) == ()
    assert shutdown.done("mqtt", 12.0) == (Begin("spools", ("hq",), 17.0),)
    assert [report.phase for report in shutdown.reports] == ["sources", "graphs"]
    assert shutdown.done("hq", 12.5) == (Begin("uplinks", ("hq",), 17.5),)
    assert (shutdown.phase, shutdown.finished) == ("uplinks", False)
    assert shutdown.done("hq", 13.0) == ()
    assert shutdown.finished
    assert [report.seconds for report in shutdown.reports] == [2.0, 0.0, 0.5, 0.5]
    assert (shutdown.left, shutdown.deadline, shutdown.phase) == (0, None, "")


def test_phase_ends_without_those_that_are_late() -> None:
    """At its deadline, not before; the report names them, and what others left."""
    shutdown = Shutdown(PHASES, {"sources": ["mqtt", "modbus", "ble"], "spools": ["hq"]})
    shutdown.begin(0.0)
    shutdown.done("mqtt", 1.0, left=7)
    assert shutdown.tick(4.9) == ()
    assert shutdown.tick(5.0) == (Begin("spools", ("hq",), 10.0),)
    report = shutdown.reports[0]
    assert (report.left, report.late) == ({"mqtt": 7}, ("modbus", "ble"))
    assert str(report) == "sources ended after 5 s, 7 elements left in mqtt, no answer from modbus, ble"
    assert shutdown.done("hq", 6.0, phase="sources") == ()
    assert not shutdown.finished
    shutdown.done("hq", 6.0, left=2, phase="spools")
    assert shutdown.finished
    assert shutdown.left == 9


def test_nothing_happens_when_it_is_begun_again_or_answered_twice() -> None:
    """A second signal, a repeated or a late answer, a tick after the end: none of them changes anything."""
    shutdown = Shutdown(PHASES, {"sources": ["a"], "uplinks": ["b"]})
    shutdown.begin(0.0)
    assert shutdown.begin(1.0) == ()
    shutdown.done("a", 1.0)
    assert shutdown.done("a", 1.0) == ()
    assert shutdown.phase == "uplinks"
    shutdown.done("b", 2.0)
    assert shutdown.tick(100.0) == ()
    assert shutdown.done("b", 100.0) == ()
    assert len(shutdown.reports) == 4


def test_nobody_waits_for_a_part_when_it_has_died() -> None:
    """Now or in later phases."""
    shutdown = Shutdown(PHASES, {"sources": ["a", "b"], "spools": ["a"], "uplinks": ["b"]})
    shutdown.begin(0.0)
    shutdown.done("b", 1.0)
    assert shutdown.gone("a", 2.0) == (Begin("uplinks", ("b",), 7.0),)


@pytest.mark.parametrize("seed", range(30))
def test_it_always_ends_when_answers_are_random(seed: int) -> None:
    """Within the sum of the deadlines, each part is told once a phase, in the order of the phases."""
    random = Random(seed)
    parts = {name: [f"p{i}" for i in range(random.randint(0, 4))] for name in NAMES}
    shutdown = Shutdown(PHASES, parts)
    now, told = 0.0, list(shutdown.begin(0.0))
    while not shutdown.finished:
        now += random.random() * 3
        step = shutdown.tick(now) or shutdown.done(f"p{random.randint(0, 5)}", now, random.randint(0, 2))
        told += step
        assert now < 60.0
    assert [begin.phase for begin in told] == [name for name in NAMES if parts[name]]
    assert [report.phase for report in shutdown.reports] == list(NAMES)
    assert all(report.seconds <= 5.0 + 3.0 for report in shutdown.reports)


@pytest.mark.parametrize(
    ("phases", "parts"),
    [
        (PHASES, {"nonsense": ["a"]}),
        ([Phase("a", 1.0), Phase("a", 1.0)], {}),
        ([Phase("a", 0.0)], {}),
        (PHASES, {"uplinks": [str(n) for n in range(10_001)]}),
    ],
)
def test_plan_is_refused_when_it_makes_no_sense(phases: Any, parts: Any) -> None:
    """Unknown or doubled phases, no time, too many parts."""
    with pytest.raises(ConfigError):
        Shutdown(phases, parts)

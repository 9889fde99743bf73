"""Goal: a service manager hears READY=1 once, at the right moment, and what runs. Method: a list in the place of its socket."""

from __future__ import annotations

import pytest

from rt_edge.actors.readiness import Readiness


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def three(said: list[str]) -> Readiness:
    made = Readiness(("a", "b", "c"), said.append)
    made.begin()
    return made


def test_ready_is_said_once_when_every_island_has_answered(three, said):
    """Not before the last first launch, and never again after a restart."""
    assert said == ["STATUS=0 of 3 islands run; a: starting; b: starting; c: starting"]
    three.runs("a")
    three.runs("c")
    assert not three.ready
    assert "READY=1" not in said
    three.runs("b")
    assert three.ready
    assert said[-2:] == ["STATUS=3 of 3 islands run", "READY=1"]
    three.fails("a", "has ended")
    three.runs("a")
    assert said[-2:] == ["STATUS=2 of 3 islands run; a: has ended", "STATUS=3 of 3 islands run"]
    assert said.count("READY=1") == 1


def test_a_failed_first_launch_does_not_keep_the_node_from_being_ready(three, said):
    """It is named, with its reason in one line."""
    three.runs("a")
    three.fails("b", "OSError: no such device\n  /dev/ttyUSB0")
    three.fails("b", "OSError: no such device\n  /dev/ttyUSB0")
    assert not three.ready
    three.runs("c")
    assert said[-2:] == ["STATUS=2 of 3 islands run; b: OSError: no such device /dev/ttyUSB0", "READY=1"]
    three.runs("b")
    assert said[-1] == "STATUS=3 of 3 islands run"
    assert len(said) == len(set(said)), said  # nothing is said twice


def test_a_node_without_islands_is_ready_at_once(said):
    """Nothing configured is nothing to wait for."""
    Readiness((), said.append).begin()
    assert said == ["STATUS=0 of 0 islands run", "READY=1"]


def test_status_is_one_short_line_when_many_islands_are_away_for_long_reasons(said):
    """Three are named, the rest counted, each reason cut."""
    many = Readiness((f"island-{i}" for i in range(40)), said.append)
    for i in range(40):
        many.fails(f"island-{i}", "word \n" * 1000)
    assert said[-1] == "READY=1"
    assert said[-2].endswith("; 37 more")
    assert all(len(text) < 600 and "\n" not in text for text in said)

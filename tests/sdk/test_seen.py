"""What survives the process."""

from __future__ import annotations

from pathlib import Path

import pytest

from rt_edge.sdk.seen import MAX_UNSETTLED, SAVE_EVERY, Seen
from rt_edge.testkit.simulated_time import SimulatedTime


@pytest.fixture(name="time")
def _time() -> SimulatedTime:
    return SimulatedTime()


def test_times_are_written_now_and_then_when_readings_settle(time: SimulatedTime, tmp_path: Path) -> None:
    """The file follows what was settled, every five seconds beside the first of each source, and never runs ahead of it."""
    path = tmp_path / "seen.json"
    seen = Seen(path, time)
    for i in range(10):
        seen.emitted("plc/a" if i % 2 else "plc/b", i)
    assert seen.settled(1) == ""
    assert Seen(path, time).load() == ({"plc/b": 0}, ""), "the first of a source is written down at once"
    assert seen.settled(2) == ""
    assert seen.settled(4) == ""
    assert Seen(path, time).load() == ({"plc/b": 0, "plc/a": 1}, "")
    time.run_until(SAVE_EVERY)
    assert seen.settled(5) == ""
    assert Seen(path, time).load() == ({"plc/b": 4, "plc/a": 3}, "")


def test_gap_begins_early_and_not_late_when_too_much_is_unsettled(time: SimulatedTime, tmp_path: Path) -> None:
    """Beyond the bound the oldest are forgotten; the numbers stay right."""
    seen = Seen(tmp_path / "seen.json", time)
    for i in range(MAX_UNSETTLED + 10):
        seen.emitted("plc/a", i)
    assert seen.settled(5) == ""
    assert seen.save() == ""
    assert Seen(tmp_path / "seen.json", time).load() == ({}, "")
    assert seen.settled(11) == ""
    assert seen.save() == ""
    assert Seen(tmp_path / "seen.json", time).load() == ({"plc/a": 10}, "")


def test_problem_is_returned_when_the_file_cannot_be_written(time: SimulatedTime, tmp_path: Path) -> None:
    """A full or missing directory is a sentence, not a crash."""
    seen = Seen(tmp_path / "missing" / "seen.json", time)
    seen.emitted("plc/a", 1)
    assert "cannot be written" in seen.settled(1)

"""What survives the process."""

from __future__ import annotations

from pathlib import Path

import pytest

from rt_edge.sdk.seen import FILE, MAX_UNSETTLED, SAVE_EVERY, Seen
from rt_edge.testkit.adapter_harness import RecordingContext
from rt_edge.testkit.simulated_time import SimulatedTime


@pytest.fixture(name="time")
def _time() -> SimulatedTime:
    return SimulatedTime()


@pytest.fixture(name="context")
def _context(tmp_path: Path, time: SimulatedTime) -> RecordingContext:
    return RecordingContext(tmp_path, clock=time)


def test_times_are_written_now_and_then_when_readings_settle(context: RecordingContext, time: SimulatedTime) -> None:
    """The file follows what was settled, every five seconds beside the first of each source, and never runs ahead of it."""
    seen = Seen(context)
    for i in range(10):
        seen.emitted("plc/a" if i % 2 else "plc/b", i)
    seen.settled(1)
    assert Seen(context).load() == {"plc/b": 0}, "the first of a source is written down at once"
    seen.settled(2)
    seen.settled(4)
    assert Seen(context).load() == {"plc/b": 0, "plc/a": 1}
    time.run_until(SAVE_EVERY)
    seen.settled(5)
    assert Seen(context).load() == {"plc/b": 4, "plc/a": 3}
    assert not context.logs


def test_gap_begins_early_and_not_late_when_too_much_is_unsettled(context: RecordingContext) -> None:
    """Beyond the bound the oldest are forgotten; the numbers stay right."""
    seen = Seen(context)
    for i in range(MAX_UNSETTLED + 10):
        seen.emitted("plc/a", i)
    seen.settled(5)
    seen.save()
    assert Seen(context).load() == {}
    seen.settled(11)
    seen.save()
    assert Seen(context).load() == {"plc/a": 10}


def test_problem_is_counted_and_logged_when_the_file_cannot_be_written(tmp_path: Path, time: SimulatedTime) -> None:
    """A full or missing directory is a sentence, not a crash."""
    context = RecordingContext(tmp_path / "missing", clock=time)
    seen = Seen(context)
    seen.emitted("plc/a", 1)
    seen.settled(1)
    assert context.counts == {"seen_problems": 1}
    assert "cannot be written" in context.logs[0].event


def test_problem_is_counted_and_logged_when_the_file_is_no_json(context: RecordingContext) -> None:
    """A damaged file loses the gap, and says so."""
    (context.data / FILE).write_bytes(b"\x00{")
    assert Seen(context).load() == {}
    assert context.counts == {"seen_problems": 1}

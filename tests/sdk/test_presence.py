"""Presence: a silence is news once, its end is news once, and gap records say from when to when."""

from __future__ import annotations

from pathlib import Path

import pytest

from rt_edge.sdk.presence import GAP_EVERY_S, Presence
from rt_edge.testkit.adapter_harness import RecordingContext
from rt_edge.testkit.virtual_clock import VirtualClock

S = 1_000_000_000


@pytest.fixture
def context(tmp_path: Path) -> RecordingContext:
    return RecordingContext(tmp_path, clock=VirtualClock())


def test_is_news_once_when_a_source_stays_silent(context: RecordingContext) -> None:
    """The first silence and the first Reading after it are news, nothing between; one gap says from when to when, and why."""
    presence = Presence(context, "plc/pump")
    presence.spoke(1 * S)
    assert presence.silent("timeout", 0.0, 2 * S)
    assert not presence.silent("timeout", 1.0, 3 * S)
    assert not presence.silent("disconnected", 2.0, 4 * S)
    assert presence.spoke(5 * S) == "timeout"
    assert presence.spoke(6 * S) == ""
    assert context.gaps == [("plc/pump", "timeout", 1 * S, 5 * S)]


def test_says_the_gap_so_far_when_a_source_stays_away_for_long(context: RecordingContext) -> None:
    """A record a minute, end to end: none overlap, none is missing."""
    presence = Presence(context, "plc/pump", "pressure")
    presence.wanted(1 * S)
    presence.silent("timeout", 0.0, 2 * S)
    presence.silent("timeout", GAP_EVERY_S, 61 * S)
    presence.silent("timeout", GAP_EVERY_S + 1, 62 * S)
    presence.spoke(70 * S)
    assert context.gaps == [("plc/pump", "timeout pressure", 1 * S, 61 * S), ("plc/pump", "timeout pressure", 61 * S, 70 * S)]


def test_has_no_gap_when_nobody_ever_expected_a_source(context: RecordingContext) -> None:
    """Silence before the first demand is not a gap."""
    presence = Presence(context, "plc/pump")
    presence.silent("timeout", 0.0, 2 * S)
    presence.spoke(3 * S)
    assert context.gaps == []


def test_says_what_a_restart_missed_when_a_life_before_is_remembered(context: RecordingContext) -> None:
    """The gap goes from the last stored Reading of the life before to the first of this one."""
    presence = Presence(context, "plc/pump")
    presence.remember(1 * S)
    assert presence.spoke(9 * S) == "restart"
    assert context.gaps == [("plc/pump", "restart", 1 * S, 9 * S)]


def test_says_a_pause_once_when_nobody_asked(context: RecordingContext) -> None:
    """A silence for want of demand is one record at its end, however long it was."""
    presence = Presence(context, "plc/pump")
    presence.spoke(1 * S)
    presence.away("no_demand")
    presence.silent("no_demand", 1000.0, 500 * S)
    presence.still(600 * S)
    presence.spoke(700 * S)
    presence.paused(800 * S)
    assert [(gap[2], gap[3]) for gap in context.gaps] == [(1 * S, 700 * S), (700 * S, 800 * S)]


def test_is_not_ended_when_a_reading_is_older_than_the_silence(context: RecordingContext) -> None:
    """What was received before a source went away, and waited, does not end its silence."""
    presence = Presence(context, "air/fridge")
    presence.spoke(1 * S)
    before = presence.epoch
    presence.away("disconnected")
    assert presence.spoke(2 * S, before) == ""
    assert presence.spoke(9 * S, presence.epoch) == "disconnected"
    assert context.gaps == [("air/fridge", "disconnected", 2 * S, 9 * S)]


def test_ends_no_earlier_than_it_begins_when_the_wall_clock_is_set_back(context: RecordingContext) -> None:
    """A gap never ends before it starts."""
    presence = Presence(context, "plc/pump")
    presence.spoke(9 * S)
    presence.away("timeout")
    presence.spoke(3 * S)
    assert context.gaps == [("plc/pump", "timeout", 9 * S, 9 * S)]
    assert not context.violations


def test_is_shown_as_silent_until_it_speaks(context: RecordingContext) -> None:
    """With the newest reason; a silence that nobody minds, and one of a source that nobody expects, are not shown."""
    presence = Presence(context, "plc/pump", "pressure")
    presence.silent("disconnected", 0.0, 1 * S)
    presence.silent("timeout", 1.0, 2 * S)
    assert context.silences == {"plc/pump pressure": "timeout"}
    presence.spoke(3 * S)
    assert context.silences == {}
    presence.away("no_demand")
    Presence(context, "air/passer-by", expected=False).away("silent")
    assert context.silences == {}

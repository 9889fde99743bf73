"""The states of actors, islands, members and routees: one machine."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest

from rt_edge.actors.lifecycle import MOVES, State, StateOf
from rt_edge.data.errors import InternalError

STATES = get_args(State)


class Thing:
    state = StateOf()

    def __init__(self, *states):
        self.name = "pump"
        for state in states:
            self.state = state


class Slotted:
    state = StateOf()
    __slots__ = ("_state_now",)


PATHS = {
    "new": (),
    "starting": ("starting",),
    "running": ("running",),
    "waiting": ("running", "waiting"),
    "leaving": ("running", "leaving"),
    "failed": ("starting", "failed"),
    "stopped": ("stopped",),
}


@pytest.mark.parametrize(("before", "after"), [*product(STATES, STATES)])
def test_state_goes_only_where_the_machine_allows(before, after):
    """A move that is not in the table is a bug and says which; staying is always allowed."""
    thing = Thing(*PATHS[before])
    assert thing.state == before
    if after == before or after in MOVES[before]:
        thing.state = after
        assert thing.state == after
    else:
        with pytest.raises(InternalError, match=f"pump cannot go from {before} to {after}"):
            thing.state = after
        assert thing.state == before


def test_nothing_follows_the_end_and_the_end_can_be_reached_from_everywhere():
    """The table itself: every state can come to its end, and none leaves it."""
    assert set(MOVES) == set(STATES)
    assert not MOVES["stopped"]
    for state in set(STATES) - {"stopped"}:
        assert "stopped" in MOVES[state]


def test_things_have_states_of_their_own_also_with_slots():
    """New until something is said; not shared between two."""
    one, other = Slotted(), Slotted()
    one.state = "running"
    assert (one.state, other.state) == ("running", "new")

"""The ring: bounded, in order, and what it dropped is said in its place."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.serial.ring import RING_BYTES, Heard, Lost, Overflow, Ring


def drain(ring: Ring) -> list[Heard | Lost]:
    found = []
    while (entry := ring.take()) is not None:
        found.append(entry)
    return found


@given(
    st.lists(st.sampled_from(["add", "add", "add", "take", "lose"]), max_size=200),
    st.integers(1, 5),
    st.sampled_from(["drop_oldest", "drop_newest"]),
)
def test_every_moment_is_told_once_when_frames_come_and_go(steps: list[str], most: int, overflow: Overflow) -> None:
    """Each frame is taken or covered by one loss, in order; there are never more than allowed."""
    ring, told = Ring(most, overflow), []
    heard = 0
    for now, step in enumerate(steps):
        if step == "add":
            ring.add(Heard(now, b"x"))
            heard += 1
        elif step == "lose":
            ring.lose("disconnected", now, now)
        elif (entry := ring.take()) is not None:
            told.append(entry)
        assert len(ring) <= most
    told += drain(ring)
    dropped = ring.dropped
    assert sum(isinstance(entry, Heard) for entry in told) == heard - dropped
    ends = [(e.wall, e.wall) if isinstance(e, Heard) else (e.start, e.end) for e in told]
    assert all(before[1] < after[0] for before, after in itertools.pairwise(ends))
    covered = sum(isinstance(e, Lost) for e in told)
    assert bool(covered) == (dropped > 0 or "lose" in steps)


@pytest.mark.parametrize(("overflow", "left"), [("drop_oldest", [3, 4]), ("drop_newest", [1, 2])])
def test_loss_stands_in_its_place_when_the_ring_overflows(overflow: Overflow, left: list[int]) -> None:
    """drop_oldest loses in front of what stays, drop_newest behind it."""
    ring = Ring(2, overflow)
    for wall in (1, 2, 3, 4):
        ring.add(Heard(wall, b""))
    frames = [Heard(wall, b"") for wall in left]
    loss = [Lost("overflow", 1, 2)] if overflow == "drop_oldest" else [Lost("overflow", 3, 4)]
    assert drain(ring) == (loss + frames if overflow == "drop_oldest" else frames + loss)
    assert ring.dropped == 2


def test_bytes_are_bounded_when_frames_are_long() -> None:
    """Few long frames fill it as many short ones do."""
    ring = Ring(1000, "drop_oldest")
    for wall in range(100):
        ring.add(Heard(wall, bytes(60_000)))
    assert len(ring) == RING_BYTES // 60_064
    assert drain(ring)[0] == Lost("overflow", 0, 83)

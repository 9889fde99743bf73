"""Overflow: what happens to an element too many where elements wait (`buffer`, `delay`)."""

from __future__ import annotations

from typing import Protocol

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import BufferOverflow
from rt_edge.streams.drop_policy import Policy
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._common import discard, named

Overflow = Policy

OVERFLOW = "overflow"
"""The reason of what is too many."""


class Room(Protocol):
    """Where elements wait, in order; an `Outbox` is one.

    Attributes:
        elements: how many do.
    """

    elements: int

    def put(self, chunk: Chunk) -> None:
        """These wait too."""
        ...

    def drop_head(self, n: int, reason: str) -> None:
        """Drop the `n` oldest, counted."""
        ...

    def drop_tail(self, n: int, reason: str) -> None:
        """Drop the `n` youngest, counted."""
        ...


def hold_within(logic: StageLogic, room: Room, chunk: Chunk, size: int, overflow: str) -> None:
    """Put `chunk` into `room`; where more than `size` would wait, do what `overflow` says.

    Under `fail` the stage has failed afterwards. Under `backpressure` there is never one too many.
    """
    free = size - room.elements
    excess = len(chunk) - free
    if excess <= 0:
        room.put(chunk)
    elif overflow == "fail":
        error = BufferOverflow(f"{logic.ctx.name}: more than {size} elements are waiting")
        chunk.fail(named(logic, error))
        logic.fail_stage(error)
    elif overflow == "drop_head":
        old = min(excess, room.elements)
        room.drop_head(old, OVERFLOW)
        room.put(_skip(logic, chunk, excess - old))
    elif overflow == "drop_buffer":
        room.drop_head(room.elements, OVERFLOW)
        room.put(_skip(logic, chunk, len(chunk) - ((excess - 1) % size + 1)))
    else:
        if free:
            first, chunk = chunk.cut(free)
            room.put(first)
        if overflow == "drop_tail":
            room.drop_tail(1, OVERFLOW)
            room.put(_skip(logic, chunk, len(chunk) - 1))
        else:
            discard(logic, chunk, OVERFLOW)


def _skip(logic: StageLogic, chunk: Chunk, n: int) -> Chunk:
    """Drop the first `n` elements of `chunk`, which has more."""
    if n:
        first, chunk = chunk.cut(n)
        discard(logic, first, OVERFLOW)
    return chunk

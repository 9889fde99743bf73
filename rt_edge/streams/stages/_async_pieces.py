"""Pieces: chunks whose elements are worked on side by side, and which of their elements may go out."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from rt_edge.data.chunk import Chunk

OPEN, DONE, OUT = 0, 1, 2
"""An element waits or is worked on; it is done; it has gone out."""

Places = Sequence[int]
"""Places of elements in a piece, ascending; a range where they are side by side, which saves work per element."""


class Piece:
    """A chunk whose elements are worked on.

    Attributes:
        chunk: the elements.
        results: what the coroutine returned, in their places.
        state: OPEN, DONE or OUT for each element.
        failures: place -> error.
        first: the first that has not gone out.
        left: how many have not gone out.
    """

    __slots__ = ("chunk", "failures", "first", "left", "results", "state")

    def __init__(self, chunk: Chunk) -> None:
        n = len(chunk.items)
        self.chunk = chunk
        self.results: list[Any] = [None] * n
        self.state = bytearray(n)
        self.failures: dict[int, Exception] = {}
        self.first = 0
        self.left = n

    def leave(self, places: Places) -> None:
        """These go out."""
        state = self.state
        if isinstance(places, range):
            state[places.start : places.stop] = bytes((OUT,)) * len(places)
        else:
            for place in places:
                state[place] = OUT
        self.left -= len(places)
        first = self.first
        while first < len(state) and state[first] == OUT:
            first = places[-1] + 1 if first == places[0] and isinstance(places, range) else first + 1
        self.first = first

    def results_of(self, places: Places) -> list[Any]:
        """What was returned for these."""
        if isinstance(places, range):
            return self.results[places.start : places.stop]
        return [self.results[place] for place in places]

    def part(self, places: Places) -> Chunk:
        """The elements at these places."""
        return self.chunk if len(places) == len(self.state) else self.chunk.take(places)

    def rest(self) -> Chunk | None:
        """The elements that have not gone out."""
        return self.part([place for place, state in enumerate(self.state) if state != OUT]) if self.left else None


Finished = list[tuple[Piece, Places]]
"""Elements that may go out, in their order."""


def ordered(pieces: deque[Piece]) -> Finished:
    """What is done of the oldest pieces, up to the first element that is not; pieces that are through are taken out."""
    found: Finished = []
    while pieces:
        piece = pieces[0]
        state, first = piece.state, piece.first
        stop = state.find(OPEN, first)
        if stop < 0:
            stop = len(state)
        if stop > first:
            places = range(first, stop)
            found.append((piece, places))
            piece.leave(places)
        if stop < len(state):
            break
        pieces.popleft()
    return found


def unordered(pieces: deque[Piece]) -> Finished:
    """Whatever is done; pieces that are through are taken out."""
    found: Finished = []
    through = 0
    for piece in pieces:
        state = piece.state
        n = state.count(DONE)
        if n:
            start = state.find(DONE, piece.first)
            stop = state.rfind(DONE) + 1
            side_by_side = stop - start == n
            places = range(start, stop) if side_by_side else [place for place in range(start, stop) if state[place] == DONE]
            found.append((piece, places))
            piece.leave(places)
        through += not piece.left
    if through:
        left = [piece for piece in pieces if piece.left]
        pieces.clear()
        pieces.extend(left)
    return found

"""Unfolding: one element whose iterable has elements left, and what became of those that were made of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rt_edge.data.chunk import Chunk
from rt_edge.data.receipt import Dropped, Failed, Marks, Outcome, Receipt


class Unfolding:
    """Marks what is made of one element (its mark, index), and settles the element when all that was made of it is settled.

    The marks do not depend on how many elements were made at a time, and the stack not on how many there are.

    Args:
        piece: the one element.
        iterator: makes others of it.
    """

    __slots__ = ("__weakref__", "_closed", "_made", "_open", "_piece", "_worst", "iterator")

    def __init__(self, piece: Chunk, iterator: Iterator[Any]) -> None:
        self.iterator = iterator
        self._piece = piece
        self._made = 0
        self._open = 0
        self._closed = False
        self._worst: Outcome | None = None

    def unfold(self, items: Sequence[Any]) -> Chunk:
        """The next elements, with their receipt."""
        receipt, marks = self._piece.receipt, self._piece.marks
        if receipt is None or marks is None:
            return Chunk(items)
        first = self._made
        self._made += len(items)
        self._open += len(items)
        made = [(marks[0], index) for index in range(first, self._made)]
        return Chunk(items, Receipt(made, self, receipt.origin, receipt.where))

    def on_outcome(self, receipt: Receipt, marks: Marks, outcome: Outcome) -> None:
        """Some of what was made is settled; the worst outcome wins: failed before stored before dropped."""
        self._open -= len(marks)
        self._note(outcome)

    def close(self) -> None:
        """Nothing more is made of it."""
        self._closed = True
        self._note(None)

    def drop(self, reason: str) -> None:
        """What could still be made of it is not wanted."""
        self._closed = True
        self._note(Dropped(reason))

    def fail(self, error: BaseException) -> None:
        """What could still be made of it could not."""
        self._closed = True
        self._note(Failed(error))

    def _note(self, outcome: Outcome | None) -> None:
        worst = self._worst
        if outcome is not None and (worst is None or not (isinstance(worst, Failed) or isinstance(outcome, Dropped))):
            self._worst = outcome
        if self._closed and not self._open and self._worst is not None:
            self._piece.outcome(self._worst)

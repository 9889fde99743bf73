"""Expansion: the receipt of one element that becomes a stream of elements."""

from __future__ import annotations

from rt_edge.data.chunk import FILTERED, Chunk
from rt_edge.data.receipt import STORED, Dropped, Failed, Mark, Marks, Outcome, Receipt


class Expansion:
    """One element, until all that was made of it has an outcome.

    Children bear the marks (mark of the element, place), so that the same substream gives the same marks however it is cut into
    chunks. The element has its outcome when the expansion is closed and each child has one; the worst counts: failed before
    stored before dropped.

    Args:
        piece: the one element.
    """

    __slots__ = ("_closed", "_made", "_mark", "_open", "_piece", "_worst")

    def __init__(self, piece: Chunk) -> None:
        self._piece = piece
        self._mark: Mark | None = None if piece.marks is None else piece.marks[0]
        self._made = 0
        self._open = 0
        self._worst: Outcome | None = None
        self._closed = False

    @property
    def made(self) -> int:
        """Children so far."""
        return self._made

    def child(self, chunk: Chunk) -> Chunk:
        """What came out of the substream, under the element's receipt, and under its own where it had one."""
        first = self._made
        self._made += len(chunk)
        receipt = self._piece.receipt
        if receipt is None or self._mark is None:
            return chunk
        self._open += len(chunk)
        marks: list[Mark] = [(self._mark, place) for place in range(first, self._made)]
        listener = self if chunk.receipt is None else _Both(self, chunk, first)
        return Chunk(chunk.items, Receipt(marks, listener, receipt.origin, receipt.where))

    def on_outcome(self, receipt: Receipt, marks: Marks, outcome: Outcome) -> None:
        """Of some children."""
        self._open -= len(marks)
        self._worst = outcome if self._worst is None else _worse(self._worst, outcome)
        self._report()

    def close(self, outcome: Outcome | None = None) -> None:
        """There will be no further children.

        Args:
            outcome: how it ended; None: well, which is `filtered` for an element of which nothing was made.
        """
        if self._closed:
            return
        self._closed = True
        if outcome is None and not self._made:
            outcome = Dropped(FILTERED)
        if outcome is not None:
            self._worst = outcome if self._worst is None else _worse(self._worst, outcome)
        self._report()

    def _report(self) -> None:
        if self._closed and not self._open:
            self._piece.outcome(self._worst or STORED)


class _Both:
    """Tells an expansion and the receipt that a child brought along from inside the substream."""

    __slots__ = ("_expansion", "_first", "_inner")

    def __init__(self, expansion: Expansion, inner: Chunk, first: int) -> None:
        self._expansion = expansion
        self._inner = inner
        self._first = first

    def on_outcome(self, receipt: Receipt, marks: Marks, outcome: Outcome) -> None:
        self._inner.take([mark[1] - self._first for mark in marks]).outcome(outcome)  # type: ignore[index]  # made in `child`
        self._expansion.on_outcome(receipt, marks, outcome)


def _worse(a: Outcome, b: Outcome) -> Outcome:
    return a if isinstance(a, Failed) or isinstance(b, Dropped) else b

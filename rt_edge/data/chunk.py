"""Chunk: a list of elements that travels as one, with the receipt of its elements.

Stages never touch marks: they use the verbs of this class, which keep items, marks and receipt together.
A chunk is used by one holder at a time and never changed in place; `items` must not be mutated after it was pushed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import compress
from operator import not_
from typing import Any

from rt_edge.data.receipt import Dropped, Expanded, Joined, Mark, Marks, Outcome, Receipt

CHUNK_ELEMENTS = 1024
"""A chunk ends at this many elements ..."""

CHUNK_BYTES = 192_000
"""... or at this many encoded bytes (design 4)."""

FILTERED = "filtered"


class Chunk:
    """Elements with their receipt.

    Attributes:
        items: the elements; not empty, no None (rule 2.13).
        receipt: whom to tell what became of them; None in a stream that nobody waits for.
        marks: the marks of `items` under `receipt`, one each, in order; None without a receipt.
    """

    __slots__ = ("items", "marks", "receipt")

    def __init__(self, items: Sequence[Any], receipt: Receipt | None = None, marks: Marks | None = None) -> None:
        self.items = items
        self.receipt = receipt
        self.marks = receipt.marks if marks is None and receipt is not None else marks

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        return f"Chunk({len(self.items)} items, {self.receipt!r})"

    def replace(self, items: Sequence[Any]) -> Chunk:
        """The same elements, changed one for one (`map`)."""
        return Chunk(items, self.receipt, self.marks)

    def select(self, mask: Sequence[Any], reason: str = FILTERED) -> Chunk | None:
        """The elements whose place in `mask` is true; the others are settled as dropped. None if none is left."""
        items = list(compress(self.items, mask))
        if len(items) == len(self.items):
            return self
        if self.receipt is None or self.marks is None:
            return Chunk(items) if items else None
        if not items:
            self.drop(reason)
            return None
        keep = list(compress(self.marks, mask))
        self.receipt.divide(self.marks, keep, list(compress(self.marks, map(not_, mask))), Dropped(reason))
        return Chunk(items, self.receipt, keep)

    def take(self, places: Sequence[int]) -> Chunk:
        """The elements at `places`, in that order; the others stay the caller's (`partition`)."""
        items = [self.items[i] for i in places]
        if self.receipt is None or self.marks is None:
            return Chunk(items)
        return Chunk(items, self.receipt, [self.marks[i] for i in places])

    def cut(self, n: int) -> tuple[Chunk, Chunk]:
        """The first `n` elements and the rest; 0 < n < len."""
        marks = self.marks
        if marks is None:
            return Chunk(self.items[:n]), Chunk(self.items[n:])
        return Chunk(self.items[:n], self.receipt, marks[:n]), Chunk(self.items[n:], self.receipt, marks[n:])

    def expand(self, groups: Sequence[Sequence[Any]], reason: str = FILTERED) -> Chunk | None:
        """Each element replaced by its group (`map_concat`); an element with an empty group is dropped."""
        items = [x for group in groups for x in group]
        if self.receipt is None or self.marks is None:
            return Chunk(items) if items else None
        empty = [m for m, group in zip(self.marks, groups, strict=True) if not group]
        if empty:
            self.receipt.drop(reason, empty)
        if not items:
            return None
        sizes: dict[Mark, int] = {m: len(group) for m, group in zip(self.marks, groups, strict=True) if group}
        marks: list[Mark] = [(m, i) for m, size in sizes.items() for i in range(size)]
        return Chunk(items, Receipt(marks, Expanded(self.receipt, sizes), self.receipt.origin, self.receipt.where))

    def fork(self, n: int) -> list[Chunk]:
        """The same elements for `n` branches (`broadcast`)."""
        if self.receipt is None or self.marks is None:
            return [Chunk(self.items) for _ in range(n)]
        join = Receipt(self.marks, Joined1(self.receipt), self.receipt.origin, self.receipt.where)
        return [Chunk(self.items, receipt) for receipt in join.split(n)]

    def settle(self) -> None:
        """All elements of this piece are stored."""
        if self.receipt is not None:
            self.receipt.settle(self.marks)

    def drop(self, reason: str) -> None:
        """All elements of this piece are discarded on purpose."""
        if self.receipt is not None:
            self.receipt.drop(reason, self.marks)

    def fail(self, error: BaseException) -> None:
        """No element of this piece could be carried on."""
        if self.receipt is not None:
            self.receipt.fail(error, self.marks)

    def outcome(self, outcome: Outcome) -> None:
        """Give `outcome` to all elements of this piece."""
        if self.receipt is not None:
            self.receipt.outcome(outcome, self.marks)


class Joined1:
    """Listener that passes outcomes, mark by mark, to another receipt."""

    __slots__ = ("_receipt",)

    def __init__(self, receipt: Receipt) -> None:
        self._receipt = receipt

    def on_outcome(self, receipt: Receipt, marks: Marks, outcome: Outcome) -> None:
        """Pass it on."""
        self._receipt.outcome(outcome, marks)


def join(items: Sequence[Any], parts: Iterable[Chunk]) -> Chunk:
    """New elements made of all elements of `parts` (`grouped`, `fold`, `zip`): each part shares the outcome of all of `items`.

    The result has no origin: what is made of several elements cannot be recognised when it comes again (design 5).
    """
    held = [(part.receipt, part.marks) for part in parts if part.receipt is not None and part.marks is not None]
    if not held:
        return Chunk(items)
    marks = range(len(items))
    if len(items) == 1:
        return Chunk(items, Receipt(marks, Joined(held)))
    whole = Receipt((0,), Joined(held))
    return Chunk(items, Receipt([(0, i) for i in marks], Expanded(whole, {0: len(items)})))

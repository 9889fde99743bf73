"""Segment: what a ledger keeps of one chunk that was emitted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_NOTHING: set[int] = set()
"""Shared by all segments of which nothing is settled; never added to."""


class Segment:
    """The elements of consecutive numbers, until each is settled.

    A chunk that is settled in one go costs no work per element. Settled elements of a chunk of which others stay open are let go
    of when they are as many as the open ones, so a segment never holds more than twice what is open in it.

    Args:
        first: number of the first element.
        items: the elements; not empty.

    Attributes:
        first: as given.
        left: how many are not settled.
    """

    __slots__ = ("_head", "_items", "_open", "_settled", "first", "left")

    def __init__(self, first: int, items: Sequence[Any]) -> None:
        self.first = self._head = first
        self._items = items
        self._settled: set[int] = _NOTHING
        self._open: dict[int, Any] | None = None
        self.left = len(items)

    def settle(self, numbers: Sequence[int]) -> None:
        """These are settled; each of them was open."""
        self.left -= len(numbers)
        if not self.left:
            return
        if self._open is not None:
            for number in numbers:
                del self._open[number]
            return
        if self._settled is _NOTHING:
            self._settled = set()
        self._settled.update(numbers)
        if 2 * self.left <= len(self._items):
            settled = self._settled
            self._open = {n: item for n, item in enumerate(self._items, self.first) if n not in settled}
            self._items, self._settled = (), set()

    def is_open(self, number: int) -> bool:
        """Whether this number, not smaller than the first, is in here and not settled."""
        if self._open is not None:
            return number in self._open
        return number - self.first < len(self._items) and number not in self._settled

    def numbers(self) -> list[int]:
        """All open numbers, ascending."""
        if self._open is not None:
            return list(self._open)
        return [n for n in range(self.first, self.first + len(self._items)) if n not in self._settled]

    def item(self, number: int) -> Any:
        """The element of an open number."""
        return self._items[number - self.first] if self._open is None else self._open[number]

    def head(self) -> int:
        """The smallest open number; there is one."""
        kept = self._open
        if kept is not None:
            while self._head not in kept:
                self._head += 1
            return self._head
        head, settled = self._head, self._settled
        while head in settled:
            head += 1
        self._head = head
        return head

"""Ledger: the origin's side of receipts (design 5).

It numbers what a source emits, keeps each element until it is settled, says how far the settled prefix reaches, and hands out
again, in order and with the same marks, what failed or what a dead island took along. Before its last attempts an element is a
*suspect*: suspects are emitted one at a time and alone, so that the one that is at fault takes no others along to the dead
letters. After `attempts` failures an element is given up to them. Its size is bounded by the source's window: the source asks
`outstanding` before it emits.
"""

from __future__ import annotations

import logging
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import IslandDied
from rt_edge.data.receipt import Dropped, Failed, Marks, Origin, Outcome, Receipt
from rt_edge.streams.segment import Segment

log = logging.getLogger(__name__)

ALONE = 2
"""The last attempts of an element, which it makes alone."""

ISLAND_DEATHS = 20
"""Deaths of islands an element may be part of before it is taken for their cause."""


class Ledger:
    """What one life of a source has emitted and does not know the outcome of.

    Args:
        origin: whose numbers these are; its `floor` is kept up to date.
        attempts: failures an element may have before it is a dead letter.
        on_settled: called with the count of the settled prefix whenever it grows.
        on_retry: called when elements are to be emitted again (see `retry`).
        on_dead: called with (element, error) of what is given up; it counts as settled when this returns.
        keyed: the floor waits for `forget`, because a peer may send again what is settled.
    """

    def __init__(
        self,
        origin: Origin,
        attempts: int,
        on_settled: Callable[[int], None],
        on_retry: Callable[[], None],
        on_dead: Callable[[Any, BaseException], None],
        keyed: bool = False,
    ) -> None:
        self.origin = origin
        self._attempts = attempts
        self._on_settled = on_settled
        self._on_retry = on_retry
        self._on_dead = on_dead
        self._keyed = keyed
        self._next = origin.floor
        self._prefix = origin.floor
        self._forgotten = origin.floor
        self._segments: dict[int, Segment] = {}  # by their first number, ascending
        self._outstanding = 0
        self._failures: dict[int, list[int]] = {}
        self._again: list[int] = []
        self._alone: int | None = None
        self._doubtful = origin.floor  # numbers below it may be on their way more than once
        self.retried = 0
        self.dead = 0

    @property
    def outstanding(self) -> int:
        """Elements emitted and not settled."""
        return self._outstanding

    @property
    def waiting(self) -> int:
        """Elements that can be emitted again now."""
        return 0 if self._alone is not None else len(self._again)

    def emit(self, items: Sequence[Any], keys: Sequence[bytes] = (), redelivered: Sequence[bool] = ()) -> Chunk:
        """A chunk of new elements; they are kept until settled."""
        first = self._next
        marks = range(first, first + len(items))
        self._next = marks.stop
        if items:
            self._segments[first] = Segment(first, items)
            self._outstanding += len(items)
        if keys:
            self.origin.keys.update(zip(marks, keys, strict=True))
            self.origin.redelivered.update(m for m, again in zip(marks, redelivered, strict=True) if again)
        return Chunk(items, Receipt(marks, self, self.origin))

    def retry(self, most: int) -> Chunk | None:
        """Up to `most` of the elements to be emitted again, in order, with their marks; nothing while a suspect is on its way."""
        if not self._again or most <= 0 or self._alone is not None:
            return None
        n = next((i for i, number in enumerate(self._again[:most]) if self._suspect(number)), most)
        if n == 0:
            n, self._alone = 1, self._again[0]
        marks, self._again = self._again[:n], self._again[n:]
        self.retried += len(marks)
        self.origin.again.update(marks)
        return Chunk([segment.item(n) for n, segment in self._located(marks, marks)], Receipt(marks, self, self.origin))

    def _suspect(self, number: int) -> bool:
        counts = self._failures.get(number)
        return counts is not None and counts[0] >= max(2, self._attempts - ALONE)

    def forget(self, through: int) -> None:
        """The peer will not send again the first `through` elements."""
        self._forgotten = max(self._forgotten, through)
        self._move_floor()

    def on_outcome(self, receipt: Receipt, marks: Marks, outcome: Outcome) -> None:
        """An outcome from downstream."""
        numbers = cast("Sequence[int]", marks)  # the origin's own marks are numbers
        if numbers[0] < self._doubtful:
            if isinstance(outcome, Dropped) and self._is_late(receipt):
                return  # it gave way to something, or to its own copy: what becomes of the copy of this lap counts
            numbers = self._still_open(numbers)
            if not numbers:
                return
        alone = self._alone is not None and self._alone in numbers
        if alone:
            self._alone = None
        if isinstance(outcome, Failed):
            self._failed(receipt, numbers, outcome.error)
            return
        if numbers[0] < self._doubtful:  # another copy is stored
            self._unqueue(numbers)
        if alone and self._again:
            self._on_retry()
        emitted = receipt.marks
        if isinstance(emitted, range):  # as it was emitted first: one segment
            self._settle(emitted.start, numbers)
        else:
            for number, segment in self._located(numbers, emitted):
                self._settle(segment.first, (number,))
        if self._failures:
            for number in numbers:
                self._failures.pop(number, None)
        self._advance()

    def _settle(self, first: int, numbers: Sequence[int]) -> None:
        segment = self._segments[first]
        segment.settle(numbers)
        self._outstanding -= len(numbers)
        if not segment.left:
            del self._segments[first]

    def _unqueue(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            at = bisect_left(self._again, number)
            if at < len(self._again) and self._again[at] == number:
                del self._again[at]

    def _still_open(self, numbers: Sequence[int]) -> list[int]:
        firsts = list(self._segments)
        places = [(number, bisect_right(firsts, number) - 1) for number in numbers]
        return [number for number, at in places if at >= 0 and self._segments[firsts[at]].is_open(number)]

    def _located(self, numbers: Sequence[int], emitted: Marks) -> Iterator[tuple[int, Segment]]:
        """Each of these open numbers, emitted together with `emitted`, with its segment."""
        if isinstance(emitted, range):
            own = self._segments[emitted.start]
            for number in numbers:
                yield number, own
            return
        firsts = list(self._segments)
        for number in numbers:
            yield number, self._segments[firsts[bisect_right(firsts, number) - 1]]

    def _failed(self, receipt: Receipt, numbers: Sequence[int], error: BaseException) -> None:
        place = 1 if isinstance(error, IslandDied) else 0
        again = False
        late = self._is_late(receipt)
        for number, segment in list(self._located(numbers, receipt.marks)):
            counts = self._failures.setdefault(number, [0, 0])
            counts[place] += 1
            if (counts[0] >= self._attempts or counts[1] >= ISLAND_DEATHS) and self._give_up(number, segment, error):
                continue
            if late:  # it is, or will be, emitted again in a later lap
                continue
            insort(self._again, number)
            again = True
        if again and place:
            self._go_back()
        self._advance()
        if again or self._again:
            self._on_retry()

    def _is_late(self, receipt: Receipt) -> bool:
        """Whether it is of a lap before this one: what is open of it is, or will be, emitted again."""
        return receipt.origin is not None and receipt.origin.lap < self.origin.lap

    def _go_back(self) -> None:
        """Emit again all that is open, before anything new: what is on its way behind what was lost fails where that was lost,
        and what is before it may be lost as well, with the news of it still to come."""
        self._again = [number for segment in self._segments.values() for number in segment.numbers()]
        self.origin = self.origin.next_lap()
        self._doubtful = self._next

    def _give_up(self, number: int, segment: Segment, error: BaseException) -> bool:
        try:
            self._on_dead(segment.item(number), error)
        except OSError as refused:
            log.error("a dead letter cannot be kept (%s): its element is tried again", refused)  # the reason says it all
            return False
        self.dead += 1
        self._unqueue((number,))
        del self._failures[number]
        self._settle(segment.first, (number,))
        return True

    def _advance(self) -> None:
        first = next(iter(self._segments.values()), None)
        prefix = self._next if first is None else first.head()
        if prefix > self._prefix:
            self._prefix = prefix
            self._move_floor()
            self._on_settled(prefix)

    def _move_floor(self) -> None:
        floor = min(self._prefix, self._forgotten) if self._keyed else self._prefix
        origin = self.origin
        if floor > origin.floor:
            if origin.keys:
                for number in range(origin.floor, floor):
                    origin.keys.pop(number, None)
            if origin.redelivered:
                origin.redelivered.difference_update(range(origin.floor, floor))
            if origin.again:
                origin.again.difference_update(range(origin.floor, floor))
            origin.floor = floor

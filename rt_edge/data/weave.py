"""Weave: one chunk of the elements of several, in any order, though each of them has a receipt of its own.

A chunk has one receipt, and a receipt one origin; so elements of two sources that alternate (`interleave`, `merge_sorted`) would
travel one by one. The marks of a woven chunk are places, 0, 1, ...; its receipt passes outcomes on to the receipts of its parts,
a range of one part at once; and its origin, a `Woven`, knows whose mark each place stands for. Whoever tells elements by origin
and mark (a durable end, a wire to another island, `dedupe`) asks here: `identities`, `runs`, `unwoven`. To one who does not, a
woven chunk is of a source of its own that lives as long as the chunk.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import count, repeat
from typing import cast

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import InternalError
from rt_edge.data.receipt import Branch, Mark, Marks, Origin, Outcome, Receipt, number_of

_LIVES = count()

MAX_SHARES = 255
"""Origins that `shares` tells apart."""

Identity = tuple[Origin | None, Mark | None]
"""Whose element it is, and which; None of what has no identity."""


Share = tuple[Origin | None, Marks]
"""Whose elements, and which: the marks in order (places, where nobody knows whose they are)."""


class Woven(Origin):
    """The origin of a woven chunk, and the listener of its receipt.

    Args:
        order: the part of each place.
        parts: receipts and marks; their elements are not needed.
    """

    __slots__ = ("_order", "_parts", "_places", "_ranks")

    def __init__(self, order: Sequence[int], parts: Sequence[Chunk]) -> None:
        super().__init__("woven", str(next(_LIVES)))
        self._order = order
        self._parts = parts
        self._places: list[list[int]] = []
        self._ranks: list[int] = []

    def whose(self, place: int) -> tuple[Receipt | None, Mark | None]:
        """The receipt and the mark that a place stands for."""
        part = self._parts[self._order[place]]
        return part.receipt, None if part.marks is None else part.marks[self._rank(place)]

    def is_flat(self, n: int) -> bool:
        """Whether each part has a plain origin, or none, and it is worth to look at all parts for `n` elements."""
        return len(self._parts) <= min(MAX_SHARES, n) and not any(map(is_woven, self.origins()))

    def shares(self, places: range) -> tuple[bytes, list[Share]]:
        """Of these places: for each, of which part it is, and whose the parts are; only parts that have something there."""
        found: list[Share] = []
        index = bytearray(range(MAX_SHARES))
        for at, (part, own) in enumerate(zip(self._parts, self._placed(), strict=True)):
            first, end = bisect_left(own, places.start), bisect_left(own, places.stop)
            if first == end:
                continue
            index[at] = len(found)
            origin = part.receipt.origin if part.receipt is not None else None
            found.append((origin, range(end - first) if origin is None or part.marks is None else part.marks[first:end]))
        order = bytes(self._order[places.start : places.stop])
        if len(found) < len(self._parts):
            order = bytes(index[at] for at in order)
        return order, found

    def origins(self) -> Iterator[Origin]:
        """Those of its parts."""
        for part in self._parts:
            if part.receipt is not None and part.receipt.origin is not None:
                yield part.receipt.origin

    def on_outcome(self, receipt: Receipt, marks: Marks, outcome: Outcome) -> None:
        """Pass it on, to each part at once."""
        if len(marks) == len(self._order):
            for part in self._parts:
                part.outcome(outcome)
        elif isinstance(marks, range):
            for part, places in zip(self._parts, self._placed(), strict=True):
                first, end = bisect_left(places, marks.start), bisect_left(places, marks.stop)
                if part.receipt is not None and part.marks is not None and first < end:
                    part.receipt.outcome(outcome, part.marks[first:end])
        else:
            shares: list[list[Mark]] = [[] for _ in self._parts]
            for place in cast("Sequence[int]", marks):
                known = self._parts[self._order[place]].marks
                if known is not None:
                    shares[self._order[place]].append(known[self._rank(place)])
            for part, share in zip(self._parts, shares, strict=True):
                if part.receipt is not None and share:
                    part.receipt.outcome(outcome, share)

    # Consumers of a hub ask in threads of their own: both tables are there when they are whole.

    def _placed(self) -> list[list[int]]:
        if not self._places:
            made: list[list[int]] = [[] for _ in self._parts]
            for place, part in enumerate(self._order):
                made[part].append(place)
            self._places = made
        return self._places

    def _rank(self, place: int) -> int:
        if not self._ranks:
            made = [0] * len(self._order)
            for places in self._placed():
                for rank, at in enumerate(places):
                    made[at] = rank
            self._ranks = made
        return self._ranks[place]


def weave(parts: Sequence[Chunk], order: Sequence[int]) -> Chunk:
    """All elements of `parts` as one chunk: for each place, from which part the next element comes.

    Raises:
        InternalError: `order` is not one of all elements.
    """
    if len(order) != sum(map(len, parts)):
        raise InternalError(f"{len(order)} places for {sum(map(len, parts))} elements")
    iterators = [iter(part.items) for part in parts]
    items = list(map(next, map(iterators.__getitem__, order)))
    if len(items) != len(order):
        raise InternalError(f"the elements end at {len(items)} of {len(order)} places")
    if all(part.receipt is None for part in parts):
        return Chunk(items)
    woven = Woven(order, [part.replace(()) for part in parts])
    known = any(part.receipt is not None and part.receipt.origin is not None for part in parts)
    return Chunk(items, Receipt(range(len(items)), woven, woven if known else None))


class _Part:
    """Whose marks these are, where outcomes go another way."""

    __slots__ = ("marks", "origin", "receipt")

    def __init__(self, origin: Origin | None, marks: Marks) -> None:
        self.origin = origin
        self.marks = marks
        self.receipt = None if origin is None else self  # all that is asked of it is its origin


def rewoven(order: Sequence[int], shares: Sequence[Share]) -> Woven:
    """The origin of a chunk of the elements of several, as it was elsewhere; its receipt has a listener of its own."""
    return Woven(order, cast("Sequence[Chunk]", [_Part(origin, marks) for origin, marks in shares]))


def shares(chunk: Chunk) -> tuple[bytes, list[Share]]:
    """For each of the leading elements, which share it is of, and the shares; at most `MAX_SHARES` of them."""
    origin, marks = chunk.receipt.origin if chunk.receipt is not None else None, chunk.marks
    if isinstance(origin, Woven) and isinstance(marks, range) and origin.is_flat(len(marks)):
        return origin.shares(marks)
    order = bytearray()
    found: list[tuple[Origin | None, list[Mark]]] = []
    index: dict[tuple[str, str, str, int] | None, int] = {}
    last: Origin | None = None
    at = -1
    for whose, mark in identities(chunk):
        if at < 0 or whose is not last:
            key = None if whose is None else (whose.name, whose.incarnation, whose.session, whose.lap)
            known = index.get(key)
            if known is None:
                if len(found) == MAX_SHARES:
                    break
                known = index[key] = len(found)
                found.append((whose, []))
            at, last = known, whose
        order.append(at)
        own = found[at][1]
        own.append(len(own) if mark is None else mark)
    return bytes(order), [(whose, own) for whose, own in found]


def is_woven(origin: Origin | None) -> bool:
    """Whether elements of it are of several origins."""
    while isinstance(origin, Branch):
        origin = origin.of
    return isinstance(origin, Woven)


def identities(chunk: Chunk) -> Iterable[Identity]:
    """Whose element each is, and which."""
    receipt, marks = chunk.receipt, chunk.marks
    if receipt is None or marks is None:
        return repeat((None, None), len(chunk))
    if not is_woven(receipt.origin):
        return zip(repeat(receipt.origin), marks)
    return map(partial(_identity, receipt.origin), marks)


def emitted_again(chunk: Chunk) -> list[bool] | None:
    """For each element, whether its origin emits it again because it failed or was lost; None: of none is that so.

    A stage that leaves elements out by their position, or by what it remembers, lets these pass: one that it has left out was
    settled by that and does not come again, so it has passed this one before, or has never seen it.
    """
    receipt, marks = chunk.receipt, chunk.marks
    if receipt is None or marks is None or receipt.origin is None or not _repeats(receipt.origin):
        return None
    again = [origin is not None and mark is not None and number_of(mark) in origin.again for origin, mark in identities(chunk)]
    return again if any(again) else None


def _repeats(origin: Origin) -> bool:
    """Whether there is anything that it, or one it is woven of, has emitted again."""
    while isinstance(origin, Branch):
        origin = origin.of
    return any(map(_repeats, origin.origins())) if isinstance(origin, Woven) else bool(origin.again)


def runs(chunk: Chunk) -> Iterator[tuple[Origin | None, list[Mark]]]:
    """Leading elements of one origin, then those of the next, and so on: whose, and which."""
    last: Origin | None = None
    marks: list[Mark] = []
    seen: set[Mark] = set()  # a copy that comes again may have met the first one here
    for origin, mark in identities(chunk):
        if marks and (not _same(origin, last) or mark in seen):
            yield last, marks
            marks, seen = [], set()
        last = origin
        if mark is not None:
            seen.add(mark)
        marks.append(len(marks) if mark is None else mark)
    if marks:
        yield last, marks


def unwoven(chunk: Chunk) -> list[Chunk]:
    """The same elements, in the same order, in chunks of one origin each."""
    if chunk.receipt is None or not is_woven(chunk.receipt.origin):
        return [chunk]
    pieces, start = [], 0
    for origin, marks in runs(chunk):
        pieces.append(_piece(chunk, start, origin, marks))
        start += len(marks)
    return pieces


def _piece(chunk: Chunk, start: int, origin: Origin | None, marks: list[Mark]) -> Chunk:
    assert chunk.receipt is not None
    assert chunk.marks is not None
    end = start + len(marks)
    own = dict(zip(marks, chunk.marks[start:end], strict=True))
    receipt = Receipt(marks, _Back(chunk.receipt, own), origin, chunk.receipt.where)
    return Chunk(chunk.items[start:end], receipt)


class _Back:
    """Listener of a piece that was taken out of a woven chunk."""

    __slots__ = ("_own", "_receipt")

    def __init__(self, receipt: Receipt, own: dict[Mark, Mark]) -> None:
        self._receipt = receipt
        self._own = own

    def on_outcome(self, receipt: Receipt, marks: Marks, outcome: Outcome) -> None:
        """Under the marks it has there."""
        self._receipt.outcome(outcome, [self._own[mark] for mark in marks])


def _same(one: Origin | None, other: Origin | None) -> bool:
    if one is None or other is None or one is other:
        return one is other
    return (one.name, one.incarnation, one.lap) == (other.name, other.incarnation, other.lap)


def _identity(origin: Origin | None, mark: Mark) -> Identity:
    if isinstance(origin, Woven):
        receipt, own = origin.whose(number_of(mark))
        return (None, None) if receipt is None or own is None else _identity(receipt.origin, _renamed(mark, own))
    if isinstance(origin, Branch):
        of, own = _identity(origin.of, mark)
        if of is origin.of:
            return origin, mark
        return (None, None) if of is None else (Branch(of, origin.name[len(origin.of.name) + 1 :]), own)
    return (None, None) if origin is None else (origin, mark)


def _renamed(mark: Mark, own: Mark) -> Mark:
    """`mark` with `own` in the place of the number."""
    return (_renamed(mark[0], own), mark[1]) if isinstance(mark, tuple) else own

"""What a durable end remembers of one origin: marks of its lives, and redelivery keys of its peer's session.

Changes are journalled until `settle`, so that `undo` takes them back when the transaction failed. Forgetting what a floor has
passed happens only in `settle`, in steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

FlatMark = int | tuple[int, ...]
"""A number, or a number with the places in its expansions."""

MAX_LIVES = 4
"""Lives of an origin whose marks are kept: elements of a dead one may still be on their way."""

MAX_MARKS = 200_000
MAX_KEYS = 131_072
"""Twice the packet identifiers there are."""

IDENTIFIER = 2
"""Bytes of a key that are the peer's identifier."""


class Arrived(msgspec.Struct, array_like=True):
    """Elements of one origin, as they came: also what is written to the intake table.

    Attributes:
        name: of the origin.
        incarnation: its life.
        session: its peer's session; empty without keys.
        floor: numbers below it are settled and will not be emitted again.
        marks: one an element; on disk a run of consecutive numbers is (first, -length).
        keys: one an element, or none at all; an empty key is no key.
        again: with keys: whether the peer marked it as sent again.
    """

    name: str
    incarnation: str
    session: str
    floor: int
    marks: list[FlatMark]
    keys: list[bytes]
    again: list[bool]

    def packed(self) -> Arrived:
        """A copy for the disk."""
        marks = self.marks
        if len(marks) > 2 and isinstance(marks[0], int) and isinstance(marks[-1], int) and marks[-1] - marks[0] == len(marks) - 1:
            first = marks[0]
            if marks == list(range(first, first + len(marks))):
                marks = [(first, -len(marks))]
        return Arrived(self.name, self.incarnation, self.session, self.floor, marks, self.keys, self.again)

    def unpacked(self) -> Arrived:
        """What `packed` was made of."""
        marks = self.marks
        if len(marks) == 1 and isinstance(marks[0], tuple) and len(marks[0]) == 2 and marks[0][1] < 0:
            first, length = marks[0][0], min(-marks[0][1], MAX_MARKS)
            return msgspec.structs.replace(self, marks=list(range(first, first + length)))
        return self

    def extend(self, other: Arrived) -> bool:
        """Append `other`, in place, if it is of the same life and kind; returns whether it was."""
        same = (self.name, self.incarnation, self.session) == (other.name, other.incarnation, other.session)
        if not same or bool(self.keys) != bool(other.keys):
            return False
        self.floor = max(self.floor, other.floor)
        self.marks += other.marks
        self.keys += other.keys
        self.again += other.again
        return True

    def copied(self) -> Arrived:
        """One to `extend`."""
        return Arrived(self.name, self.incarnation, self.session, self.floor, [*self.marks], [*self.keys], [*self.again])


class Life:
    """One incarnation: `rank` orders the lives of an origin by their first appearance."""

    __slots__ = ("floor", "incarnation", "marks", "prune_at", "rank")

    def __init__(self, incarnation: str, rank: int) -> None:
        self.incarnation = incarnation
        self.rank = rank
        self.floor = 0
        self.marks: set[FlatMark] = set()
        self.prune_at = 4096


def number(mark: FlatMark) -> int:
    """The origin's number."""
    return mark if isinstance(mark, int) else mark[0]


def path(mark: FlatMark) -> tuple[int, ...]:
    """The places in its expansions."""
    return () if isinstance(mark, int) else mark[1:]


_Known = tuple[Life, FlatMark, bool]
_Keys = dict[bytes, dict[tuple[bytes, tuple[int, ...]], _Known]]


class OriginState:
    """The memory of one origin name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.forgotten = 0
        self._session = ""
        self._lives: dict[str, Life] = {}
        self._rank = 0
        self._keys: _Keys = {}
        self._undo: list[tuple[Any, ...]] = []
        self._key_count = 0
        self._prune_keys_at = 8192

    @property
    def size(self) -> int:
        """Marks and keys remembered."""
        return sum(len(life.marks) for life in self._lives.values()) + sum(map(len, self._keys.values()))

    # -- asking -------------------------------------------------------------------------------------------------------

    def admit(self, coming: Arrived) -> list[bool]:
        """For each element whether it is new; changes nothing."""
        life = self._lives.get(coming.incarnation)
        stored: set[FlatMark] = life.marks if life is not None else set()
        floor = max(coming.floor, life.floor if life is not None else 0)
        marks = coming.marks
        newest = life is None or life.rank == self._rank
        keyed = coming.keys and coming.session == self._session and (any(coming.again) or not newest)
        if not keyed and not any(coming.again):
            if stored.isdisjoint(marks) and (not floor or all(number(mark) >= floor for mark in marks)):
                return [True] * len(marks)
            return [mark not in stored and number(mark) >= floor for mark in marks]
        return self._admit_keyed(coming, life, stored, floor, newest)

    def _admit_keyed(self, coming: Arrived, life: Life | None, stored: set[FlatMark], floor: int, newest: bool) -> list[bool]:
        known_session = coming.session == self._session
        here: set[tuple[bytes, tuple[int, ...]]] = set()
        mask: list[bool] = []
        for mark, key, again in zip(coming.marks, coming.keys, coming.again, strict=True):
            name = (key, path(mark))
            known = self._keys.get(key[:IDENTIFIER], {}).get(name) if key and known_session else None
            if known is not None and number(known[1]) < known[0].floor:
                known = None  # the peer has our acknowledgement of that one: this is another message of the same content
            if mark in stored or number(mark) < floor:
                mask.append(False)
            elif again:
                mask.append(known is None and name not in here)
            elif known is not None and not newest and life is not None:
                # A late element of a dead life, whose redelivery to a later life was quicker.
                mask.append(not (known[2] and known[0].rank > life.rank))
            else:
                mask.append(True)
            if key:
                here.add(name)
        return mask

    # -- learning -----------------------------------------------------------------------------------------------------

    def apply(self, entry: Arrived) -> None:
        """All of `entry` is stored (what was so before, too)."""
        life = self._lives.get(entry.incarnation)
        undo = self._undo
        if life is None:
            self._rank += 1
            life = self._lives[entry.incarnation] = Life(entry.incarnation, self._rank)
            undo.append((self._lives.pop, entry.incarnation, None))
        if entry.floor > life.floor:
            undo.append((setattr, life, "floor", life.floor))
            life.floor = entry.floor
        fresh = set(entry.marks) - life.marks
        life.marks |= fresh
        undo.append((life.marks.difference_update, fresh))
        newest = life.rank == self._rank
        if entry.session and newest and entry.session != self._session:
            undo.append((self._restore_session, self._session, self._keys, self._key_count))
            self._session, self._keys, self._key_count = entry.session, {}, 0
        if entry.keys and entry.session == self._session:
            self._learn_keys(entry, life)

    def _restore_session(self, session: str, keys: _Keys, count: int) -> None:
        self._session, self._keys, self._key_count = session, keys, count

    def _learn_keys(self, entry: Arrived, life: Life) -> None:
        undo = self._undo
        for mark, key, again in zip(entry.marks, entry.keys, entry.again, strict=True):
            if not key:
                continue
            table = self._keys.setdefault(key[:IDENTIFIER], {})
            if table and not again:
                # The identifier has been given to a new message: what it named in an older life was acknowledged.
                for old in [name for name, known in table.items() if known[0].rank < life.rank]:
                    undo.append((table.__setitem__, old, table.pop(old)))
                    self._key_count -= 1
            name = (key, path(mark))
            before = table.get(name)
            undo.append((table.pop, name, None) if before is None else (table.__setitem__, name, before))
            self._key_count += before is None
            table[name] = (life, mark, again)

    def undo(self) -> None:
        """Take back everything since the last `settle`."""
        while self._undo:
            function, *args = self._undo.pop()
            function(*args)
        self._key_count = sum(map(len, self._keys.values()))
        self._rank = max((life.rank for life in self._lives.values()), default=0)

    def settle(self) -> None:
        """Everything since the last `settle` is on disk; forget what may be forgotten, in steps."""
        self._undo.clear()
        while len(self._lives) > MAX_LIVES:
            del self._lives[min(self._lives, key=lambda name: self._lives[name].rank)]
        for life in self._lives.values():
            if len(life.marks) > life.prune_at:
                self._prune_marks(life)
        if self._key_count > self._prune_keys_at:
            self._prune_keys()

    def _prune_marks(self, life: Life) -> None:
        kept = {mark for mark in life.marks if number(mark) >= life.floor}
        if len(kept) > MAX_MARKS:
            newest = sorted(kept, key=number)[-MAX_MARKS // 2 :]
            self.forgotten += len(kept) - len(newest)
            kept = set(newest)
        life.marks = kept
        life.prune_at = 2 * len(kept) + 4096

    def _prune_keys(self) -> None:
        for identifier in list(self._keys):
            table = self._keys[identifier]
            for name in [name for name, known in table.items() if number(known[1]) < known[0].floor]:
                del table[name]
            if not table:
                del self._keys[identifier]
        count = sum(map(len, self._keys.values()))
        if count > MAX_KEYS:
            order = sorted(
                ((known[0].rank, number(known[1])), identifier, name)
                for identifier, table in self._keys.items()
                for name, known in table.items()
            )
            for _, identifier, name in order[: count - MAX_KEYS // 2]:
                del self._keys[identifier][name]
                self.forgotten += 1
            count = sum(map(len, self._keys.values()))
        self._key_count = count
        self._prune_keys_at = 2 * count + 8192

    # -- as rows ------------------------------------------------------------------------------------------------------

    def entries(self) -> Iterator[Arrived]:
        """Entries that make this state when they are applied in order to an empty one."""
        keyed: dict[int, list[tuple[FlatMark, bytes, bool]]] = {}
        lives = {life.rank: life for life in self._lives.values()}
        for table in self._keys.values():
            for (key, _), (life, mark, again) in table.items():
                if number(mark) >= life.floor:
                    keyed.setdefault(life.rank, []).append((mark, key, again))
                    lives.setdefault(life.rank, life)
        for rank in sorted(lives):
            life = lives[rank]
            rows = sorted(keyed.get(rank, ()), key=lambda row: number(row[0]))
            plain = sorted(
                (mark for mark in life.marks - {row[0] for row in rows} if number(mark) >= life.floor),
                key=lambda mark: (number(mark), path(mark)),
            )
            yield Arrived(self.name, life.incarnation, "", life.floor, plain, [], [])
            if rows or rank == self._rank:
                marks, keys, flags = [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]
                yield Arrived(self.name, life.incarnation, self._session, life.floor, marks, keys, flags)

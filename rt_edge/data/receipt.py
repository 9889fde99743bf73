"""Receipts: how the origin of a chunk learns what became of each element (design 5).

An origin numbers its elements; the number is the element's *mark*. A stage that makes several elements of one gives each
the mark `(mark of the parent, index)`. A receipt covers the marks of one chunk as its origin emitted it, and is shared by
all the pieces the chunk is later cut into; each piece knows its own marks. Every mark gets one outcome: stored, dropped
(with a reason) or failed (with an error); a second outcome for the same mark is ignored, so settling is idempotent.

The common cases cost no work per element: the whole chunk stored in one go, also after some of it was filtered out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from rt_edge.data.errors import ReceiptLost

Mark = int | tuple[Any, int]
Marks = Sequence[Mark]


class Origin:
    """Where marks are counted: one life of a source.

    Attributes:
        name: stable name of the source, e.g. the adapter's.
        incarnation: token of this life; marks of two lives are never compared.
        floor: every number below it is settled and will not be emitted again, so a durable end may forget it.
        session: token of the peer's session, for sources whose peer sends again across our lives (MQTT); keys of two
            sessions are never compared. Empty where there are no keys.
        keys: number -> redelivery key, for the numbers from `floor` on (design 7): 2 bytes identifier, then a digest.
        redelivered: numbers, from `floor` on, that the peer marked as sent again.
        again: numbers, from `floor` on, that this life has emitted again, since they failed or were lost: what a stage remembers
            of later elements says nothing of them.
        lap: how often the source has gone back to emit again, in order, all that is not settled. Where elements of one lap were
            lost, later ones of the same lap are not let pass: they would overtake what comes again.
    """

    __slots__ = ("again", "floor", "incarnation", "keys", "lap", "name", "redelivered", "session")

    def __init__(self, name: str, incarnation: str, floor: int = 0, session: str = "") -> None:
        self.name = name
        self.incarnation = incarnation
        self.floor = floor
        self.session = session
        self.keys: dict[int, bytes] = {}
        self.redelivered: set[int] = set()
        self.again: set[int] = set()
        self.lap = 0

    def next_lap(self) -> Origin:
        """The same life of the same source, gone back once more."""
        origin = Origin(self.name, self.incarnation, self.floor, self.session)
        origin.keys, origin.redelivered, origin.again, origin.lap = self.keys, self.redelivered, self.again, self.lap + 1
        return origin

    def __repr__(self) -> str:
        return f"Origin({self.name}#{self.incarnation} floor={self.floor})"


class Branch(Origin):
    """An origin as one branch of a fan-out has it: the same element on two branches is two elements for an end that gets both.

    Args:
        of: whose marks these are.
        index: of the branch, or its name.
    """

    __slots__ = ("_of",)

    def __init__(self, of: Origin, index: int | str) -> None:
        self._of = of
        self.name = f"{of.name}/{index}"
        self.incarnation = of.incarnation

    of = property(lambda self: self._of)
    floor = property(lambda self: self._of.floor)  # as it is at the origin at any time
    session = property(lambda self: self._of.session)
    keys = property(lambda self: self._of.keys)
    redelivered = property(lambda self: self._of.redelivered)
    again = property(lambda self: self._of.again)
    lap = property(lambda self: self._of.lap)


def number_of(mark: Mark) -> int:
    """The origin's number behind a mark, through any expansions."""
    while isinstance(mark, tuple):
        mark = mark[0]
    return mark


class Stored:
    """Outcome: durable at its end."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Stored()"


class Dropped:
    """Outcome: discarded on purpose, for `reason` (bounded set of short words, they become metric labels)."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __repr__(self) -> str:
        return f"Dropped({self.reason})"


class Failed:
    """Outcome: could not be carried to its end; the origin decides whether to emit it again."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __repr__(self) -> str:
        return f"Failed({self.error!r})"


Outcome = Stored | Dropped | Failed
STORED = Stored()


class OutcomeListener(Protocol):
    """Who wants to know: the origin's ledger, a wire to another island, a parent receipt."""

    def on_outcome(self, receipt: Receipt, marks: Marks, outcome: Outcome) -> None:
        """`marks` of `receipt` have got `outcome`; each mark is reported once."""
        ...


class LostReceipts:
    """Receipts that were garbage-collected with marks open, until somebody at a safe place fails them.

    A finalizer runs between any two instructions, in any thread: it must not call a listener. It leaves the receipt here; the
    engine fails what is here at the begin of each turn.
    """

    def __init__(self) -> None:
        self._queue: deque[Receipt] = deque(maxlen=LOST_MOST)
        self.wake: Callable[[], None] | None = None
        """Called, in any thread, when something was added; has a turn made soon."""

    def add(self, receipt: Receipt) -> None:
        """From a finalizer."""
        self._queue.append(receipt)
        if self.wake is not None:
            self.wake()

    def drain(self) -> None:
        """Fail what was lost; in the island's thread, outside of any handler."""
        queue = self._queue
        while queue:
            receipt = queue.popleft()
            where = receipt.where or "an unnamed stage"
            receipt.fail(ReceiptLost(f"{receipt.unsettled} elements were lost unsettled in {where}"))

    def __bool__(self) -> bool:
        return bool(self._queue)


_NOTHING: set[Mark] = set()
"""Shared by all receipts that need no set of their own; never added to."""

LOST_MOST = 100_000
"""Lost receipts that may wait; each is a bug of a stage or the remains of a stopped engine."""

LOST = LostReceipts()


class Receipt:
    """The handle on the outcome of the elements of one chunk.

    Args:
        marks: the marks it covers, in order.
        listener: told of each outcome, at once, in the thread that settles.
        origin: whose marks these are; None where the elements have no identity (a window, a fold).
        where: name of the stage that holds it last; kept up to date by the engine, named when a receipt is lost.
    """

    __slots__ = ("__weakref__", "_left", "_listener", "_open", "_rest", "marks", "origin", "where")

    def __init__(self, marks: Marks, listener: OutcomeListener, origin: Origin | None = None, where: str = "") -> None:
        self.marks = marks
        self.origin = origin
        self.where = where
        self._listener = listener
        self._left = len(marks)
        # What is open: `_rest`, as long as it is known as one sequence, else `_open`.
        self._rest: Marks | None = marks
        self._open: set[Mark] = _NOTHING

    @property
    def unsettled(self) -> int:
        """How many marks have no outcome so far."""
        return self._left

    def open_marks(self) -> Marks:
        """The marks that have no outcome so far."""
        return () if not self._left else self._rest if self._rest is not None else self._opened()

    def settle(self, marks: Marks | None = None) -> None:
        """These marks (default: all open ones) are stored."""
        self._close(marks, STORED)

    def drop(self, reason: str, marks: Marks | None = None) -> None:
        """These marks (default: all open ones) were discarded on purpose."""
        self._close(marks, Dropped(reason))

    def fail(self, error: BaseException, marks: Marks | None = None) -> None:
        """These marks (default: all open ones) could not be carried on."""
        self._close(marks, Failed(error))

    def outcome(self, outcome: Outcome, marks: Marks | None = None) -> None:
        """Give `outcome` to these marks (default: all open ones)."""
        self._close(marks, outcome)

    def split(self, n: int) -> list[Receipt]:
        """`n` receipts over the open marks, for `n` branches; a mark is settled here when all branches settled it.

        The worst outcome wins: failed before stored before dropped (a fan-out that stored it somewhere stored it).
        """
        marks = self.marks if not self._left else self._rest if self._rest is not None else self._opened()
        join = _Join(self, n)
        origin = self.origin
        return [Receipt(marks, join, None if origin is None else Branch(origin, i), self.where) for i in range(n)]

    def divide(self, marks: Marks, keep: Marks, gone: Marks, outcome: Outcome) -> None:
        """Of `marks`, `gone` get `outcome` and `keep` stay open (`filter`)."""
        if self._left and marks is self._rest and keep and gone:
            self._rest = keep
            self._left = len(keep)
            self._listener.on_outcome(self, gone, outcome)
        else:
            self._close(gone, outcome)

    def _close(self, marks: Marks | None, outcome: Outcome) -> None:
        left, rest = self._left, self._rest
        if not left:
            return
        if rest is not None:
            if marks is None or marks is rest or (len(marks) == left and (rest is self.marks or marks == rest)):
                self._left = 0
                self._listener.on_outcome(self, rest, outcome)
                return
            if not marks:
                return
            if isinstance(rest, range) and isinstance(marks, range) and rest.start == marks.start and marks.stop < rest.stop:
                self._rest = range(marks.stop, rest.stop)  # the first piece of a chunk that was cut
                self._left = left - len(marks)
                self._listener.on_outcome(self, marks, outcome)
                return
            self._open, self._rest = set(rest), None
        fresh = self._take(marks)
        if fresh:
            self._listener.on_outcome(self, fresh, outcome)

    def _take(self, marks: Marks | None) -> Marks:
        """Close these, or all; returns which of them were open."""
        opened = self._open
        if marks is None:
            fresh: Marks = self._opened()
        elif opened.issuperset(marks):
            fresh = marks
        else:
            fresh = [mark for mark in marks if mark in opened]
        opened.difference_update(fresh)
        if self._left - len(opened) != len(fresh):
            fresh = list(dict.fromkeys(fresh))  # somebody named one twice
        self._left = len(opened)
        return fresh

    def _opened(self) -> Marks:
        opened = self._open
        return [mark for mark in self.marks if mark in opened]

    def __del__(self) -> None:
        if self._left and LOST is not None:  # the module's names are gone when the interpreter ends
            LOST.add(self)

    def __repr__(self) -> str:
        return f"Receipt({self.origin} {len(self.marks)} marks, {self._left} open)"


class _Join:
    """Collects the outcomes of the branches of a fan-out and reports each mark once, to the parent receipt."""

    __slots__ = ("_branches", "_parent", "_votes")

    def __init__(self, parent: Receipt, branches: int) -> None:
        self._parent = parent
        self._branches = branches
        self._votes: dict[Mark, tuple[int, Outcome]] = {}

    def on_outcome(self, receipt: Receipt, marks: Marks, outcome: Outcome) -> None:
        done: dict[int, tuple[Outcome, list[Mark]]] = {}
        votes = self._votes
        for mark in marks:
            count, worst = votes.pop(mark, (0, outcome))
            worst = worse(worst, outcome)
            if count + 1 < self._branches:
                votes[mark] = (count + 1, worst)
            else:
                done.setdefault(id(worst), (worst, []))[1].append(mark)
        for worst, group in done.values():
            self._parent.outcome(worst, group)


def worse(a: Outcome, b: Outcome) -> Outcome:
    """The outcome of an element that has two: failed before stored before dropped."""
    if isinstance(a, Failed) or isinstance(b, Dropped):
        return a
    return b


class Joined:
    """Listener of one element made of several: its outcome goes to every element that went into it.

    Args:
        parts: (receipt, marks) of what went in.
    """

    __slots__ = ("_parts",)

    def __init__(self, parts: Sequence[tuple[Receipt, Marks]]) -> None:
        self._parts = parts

    def on_outcome(self, receipt: Receipt, marks: Marks, outcome: Outcome) -> None:
        """Pass it on."""
        for part, part_marks in self._parts:
            part.outcome(outcome, part_marks)


class Expanded:
    """Listener of several elements made of one: the parent has its outcome when all children have theirs.

    Args:
        parent: the receipt of what was expanded.
        children: parent's mark -> how many elements it became (> 0).
    """

    __slots__ = ("_children", "_parent", "_worst")

    def __init__(self, parent: Receipt, children: dict[Mark, int]) -> None:
        self._parent = parent
        self._children = children
        self._worst: dict[Mark, Outcome] = {}

    def on_outcome(self, receipt: Receipt, marks: Marks, outcome: Outcome) -> None:
        """Count it."""
        for mark in marks:
            parent = mark[0]  # type: ignore[index]  # marks of an expansion are (parent, index)
            worst = self._worst.get(parent)
            worst = outcome if worst is None else worse(worst, outcome)
            left = self._children[parent] - 1
            if left:
                self._children[parent] = left
                self._worst[parent] = worst
            else:
                del self._children[parent]
                self._worst.pop(parent, None)
                self._parent.outcome(worst, [parent])

"""Receipts through a hub: what was handed in, who has it now, and how its outcome comes back to the producer's thread.

    ToHub ── offer(chunk) ──► Shipment ── a Lot each ──► queues of consumers ── collect ──► chunk with a receipt of its own
      ▲                          │ vote                                                         │ Delivery.on_outcome
      └────────── Post ◄─────────┘ ◄────────────────────────── Hub.settled ◄───────────────────┘

Everything here but `Post.deliver`, which runs in the producer's thread, and `Delivery`, which takes the lock, is called with
the hub's lock held. Nothing of it exists for elements without receipts.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from threading import get_ident
from typing import TYPE_CHECKING, Any

from rt_edge.data.errors import IslandDied
from rt_edge.data.receipt import STORED, Failed, Mark, Marks, Origin, Outcome, Receipt, worse

if TYPE_CHECKING:
    from rt_edge.streams.host import Host
    from rt_edge.streams.hubs.hub import Hub
    from rt_edge.streams.hubs.ports import Port
    from rt_edge.streams.pubsub.lanes import Lane

TRIES = 3
"""Consumers that may die with an element before it fails, where another one gets what a dead one had."""


OWN = "own"
"""The label of what each of several consumers gets under the label of its port."""


class Post:
    """Outcomes on their way back to one run of a producer, whose thread they are reported in.

    Args:
        hub: which it hands elements to.
        host: of the producer's engine.
        back: called in the producer's thread when outcomes were reported.
    """

    __slots__ = ("_back", "_box", "_host", "_hub", "_shipments", "_thread", "called", "closed")

    def __init__(self, hub: Hub, host: Host, back: Callable[[], None]) -> None:
        self._hub = hub
        self._host = host
        self._back = back
        self._thread = get_ident()
        self._box: deque[tuple[Shipment, int, int, Outcome]] = deque(maxlen=hub.unsettled)
        self._shipments: dict[Shipment, None] = {}
        self.called = False
        self.closed = False

    @property
    def is_empty(self) -> bool:
        """Whether all that was handed in has an outcome, and that was reported."""
        return not self._shipments

    def sent(self, shipment: Shipment) -> None:
        """One more is under way; nobody waits for it if the producer has stopped."""
        if not self.closed:
            self._shipments[shipment] = None

    def lost(self, origin: Origin | None) -> None:
        """Elements of this lap of their origin died with a consumer."""
        if origin is not None:
            self._hub.note_lost(origin)

    def forget(self, shipment: Shipment) -> None:
        """Nothing of it is under way any more."""
        self._shipments.pop(shipment, None)

    def add(self, shipment: Shipment, start: int, stop: int, outcome: Outcome) -> None:
        """These elements of it have their outcome."""
        if self.closed:
            self._hub.count_back(stop - start)
        else:
            self._box.append((shipment, start, stop, outcome))
            self._hub.call(self)

    def ring(self) -> None:
        """Have `deliver` called; without the lock."""
        if get_ident() != self._thread:
            self._host.threadsafe(self.deliver)
        else:
            self._host.soon(self.deliver)

    def deliver(self) -> None:
        """Report what has come; in the producer's thread, outside of any turn."""
        self.called = False
        box = self._box
        back = 0
        while box:
            shipment, start, stop, outcome = box.popleft()
            marks = shipment.marks
            n = stop - start
            if n < len(marks) and box and box[0][0] is shipment and box[0][3] is outcome:
                runs = [(start, stop)]
                while box and box[0][0] is shipment and box[0][3] is outcome:
                    runs.append(box.popleft()[1:3])
                    n += runs[-1][1] - runs[-1][0]
                marks = _picked(marks, runs, n)
            elif n < len(marks):
                marks = marks[start:stop]
            back += n
            shipment.leave(n)
            shipment.receipt.outcome(outcome, marks)
        if back:
            self._hub.delivered(back)
        self._host.wake()
        self._back()

    def abandon(self, error: BaseException) -> None:
        """The producer stops: what is under way fails, and what becomes of it goes nowhere. In its thread, without the lock."""
        self.deliver()
        self.closed = True
        left, self._shipments = self._shipments, {}
        for shipment in left:
            shipment.receipt.fail(error, shipment.marks)


class Shipment:
    """Elements of one chunk that a hub has taken.

    Args:
        post: to whom their outcome goes.
        receipt: of the chunk.
        marks: of the elements.
        items: the elements, where another consumer may get what a dead one had; else none.
        branches: consumers that get each of them; the worst outcome counts, as of a fan-out in a graph.
        number: of the shipment, counted by the hub: a later one is of later elements.
    """

    __slots__ = ("_left", "_parts", "_worst", "branches", "items", "marks", "number", "open", "post", "receipt")

    def __init__(self, post: Post, receipt: Receipt, marks: Marks, items: Sequence[Any], branches: int, number: int) -> None:
        self.post = post
        self.receipt = receipt
        self.marks = marks
        self.items = items
        self.branches = branches
        self.number = number
        self.open = len(marks)
        # As long as branches vote on all at once: votes to come (0: not any more), and the worst so far.
        self._left = branches
        self._worst: Outcome | None = None
        # Then, where they have not all voted: (start, stop, votes to come, worst so far), by start.
        self._parts: list[tuple[int, int, int, Outcome | None]] = []

    def trim(self, n: int) -> None:
        """Only the first `n` were taken; nobody has more."""
        gone = len(self.marks) - n
        self.marks, self.items = self.marks[:n], self.items[:n]
        self.leave(gone)

    def leave(self, n: int) -> None:
        """So many are of it no more."""
        self.open -= n
        if not self.open:
            self.post.forget(self)

    def vote(self, start: int, n: int, outcome: Outcome) -> None:
        """A branch has the outcome of `n` elements, from place `start` on."""
        stop = start + n
        if outcome is not STORED and isinstance(outcome, Failed) and isinstance(outcome.error, IslandDied):
            self.post.lost(self.receipt.origin)
        if self.branches == 1:
            self.post.add(self, start, stop, outcome)
            return
        parts = self._parts
        if self._left:
            worst = self._worst
            if n == len(self.marks):
                both = outcome if worst is None or worst is outcome else worse(worst, outcome)
                self._left -= 1
                if self._left:
                    self._worst = both
                else:
                    self.post.add(self, 0, n, both)
                return
            parts.append((0, len(self.marks), self._left, worst))
            self._left = 0
        low = high = bisect_right(parts, start, key=itemgetter(0)) - 1
        fresh: list[tuple[int, int, int, Outcome | None]] = []
        while high < len(parts) and parts[high][0] < stop:
            first, last, left, worst = parts[high]
            high += 1
            if first < start:
                fresh.append((first, min(last, start), left, worst))
                first = start
            end = min(last, stop)
            if first < end:
                both = outcome if worst is None else worse(worst, outcome)
                if left == 1:
                    self.post.add(self, first, end, both)
                else:
                    fresh.append((first, end, left - 1, both))
            if last > stop:
                fresh.append((stop, last, left, worst))
        parts[low:high] = fresh


class Lot:
    """Elements next to each other in a queue that are of one shipment, or have no receipt.

    Attributes:
        shipment: whose; None: of none.
        start: place of the first in the shipment.
        count: how many.
        label: of the branch, where several consumers get the same element: `OWN`, or that of a group; "": they do not.
        tries: consumers that died with them.
        lane: where they keep their order among those of their key; None: nowhere.
    """

    __slots__ = ("count", "label", "lane", "shipment", "start", "tries")

    def __init__(
        self, shipment: Shipment | None, start: int, count: int, label: str = "", tries: int = 0, lane: Lane | None = None
    ) -> None:
        self.shipment = shipment
        self.start = start
        self.count = count
        self.label = label
        self.tries = tries
        self.lane = lane

    def part(self, offset: int, n: int) -> Lot:
        """`n` of them, from `offset` on."""
        return Lot(self.shipment, self.start + offset, n, self.label, self.tries, self.lane)

    def again(self) -> Lot:
        """The same for another consumer, since the one that had them has died."""
        return Lot(self.shipment, self.start, self.count, self.label, self.tries + 1, self.lane)

    def branch(self, label: str) -> Lot:
        """The same elements for one of several consumers."""
        return Lot(self.shipment, self.start, self.count, label, self.tries)

    def pick(self, places: Sequence[int], branches: int = 1) -> Lot:
        """Those at some places of the lot, as a shipment of their own: for one consumer, or several."""
        parent = self.shipment
        assert parent is not None  # only what has a receipt is picked
        at = [self.start + place for place in places] if self.start else places
        marks: list[Mark] = [parent.marks[place] for place in at]
        items = [parent.items[place] for place in at] if branches == 1 else ()
        own = Shipment(parent.post, parent.receipt, marks, items, branches, parent.number)
        parent.post.sent(own)
        parent.leave(len(marks))
        return Lot(own, 0, len(marks), "", self.tries)

    def vote(self, outcome: Outcome) -> None:
        """They have it."""
        if self.shipment is not None:
            self.shipment.vote(self.start, self.count, outcome)
            if self.lane is not None:
                self.lane.done(self.count)


class Delivery:
    """Listens to the receipt of a chunk that a consumer got.

    Args:
        hub: from which.
        consumer: who.
        lots: what is in it, in order.
    """

    __slots__ = ("_consumer", "_hub", "_lots", "_places")

    def __init__(self, hub: Hub, consumer: Port, lots: Sequence[Lot]) -> None:
        self._hub = hub
        self._consumer = consumer
        self._lots = lots
        self._places: dict[Mark, int] | None = None

    def on_outcome(self, receipt: Receipt, marks: Marks, outcome: Outcome) -> None:
        """Tell the hub; any thread."""
        whole = receipt.marks
        if len(marks) == len(whole):
            self._hub.settled(self._consumer, self._lots, outcome)
            return
        if isinstance(marks, range) and isinstance(whole, range):
            runs = [(marks.start - whole.start, len(marks))]
        else:
            if self._places is None:
                self._places = {mark: place for place, mark in enumerate(whole)}
            places = self._places
            runs = _runs(sorted(places[mark] for mark in marks))
        self._hub.settled(self._consumer, self._cut(runs), outcome)

    def _cut(self, runs: Iterable[tuple[int, int]]) -> list[Lot]:
        lots = self._lots
        if len(lots) == 1:
            return [lots[0].part(start, n) for start, n in runs]
        found, at, before = [], 0, 0  # `before`: elements of lots before `at`
        for start, n in runs:
            while n:
                while before + lots[at].count <= start:
                    before += lots[at].count
                    at += 1
                some = min(n, before + lots[at].count - start)
                found.append(lots[at].part(start - before, some))
                start, n = start + some, n - some  # noqa: PLW2901 - what is left of it
        return found


def _picked(marks: Marks, runs: list[tuple[int, int]], n: int) -> Marks:
    """The `n` marks of some runs of places, in order."""
    runs.sort()
    if runs[-1][1] - runs[0][0] == n:
        return marks if n == len(marks) else marks[runs[0][0] : runs[-1][1]]
    return [mark for start, stop in runs for mark in marks[start:stop]]


def _runs(places: Sequence[int]) -> list[tuple[int, int]]:
    """(first, how many) of places next to each other."""
    found: list[tuple[int, int]] = []
    for place in places:
        if found and sum(found[-1]) == place:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((place, 1))
    return found

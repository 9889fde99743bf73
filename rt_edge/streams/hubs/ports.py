"""Ports of hubs: what a hub knows of one producer or one consumer; a bounded queue, and what happens when it is full."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from rt_edge.data.errors import BufferOverflow, ConfigError, StreamError
from rt_edge.data.receipt import STORED, Branch, Dropped, Origin, Outcome
from rt_edge.streams.hubs.deliveries import Lot, Post
from rt_edge.streams.stages._overflow import OVERFLOW, Overflow

LEFT = "consumer_left"
"""The reason of what waited for a consumer that went away."""

DROPPED = Dropped(OVERFLOW)

WINDOW = 2048
"""Elements that a consumer may have and not have settled: more than the window of a source, so that no window waits for it."""


class SlowConsumer(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to a consumer, and to its elements, when its queue is full.

    Attributes:
        overflow: backpressure: all wait for it. drop_head: its oldest element is dropped. drop_tail: its youngest.
            drop_buffer: all that wait for it. drop_new: what comes. fail: it is disconnected at once. Drops are counted.
        within: backpressure: it is disconnected when it has held up the others for so many seconds; None: never.

    Raises:
        ConfigError: a time without back-pressure, or of nothing.
    """

    overflow: Overflow = "backpressure"
    within: float | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if self.within is not None and (self.overflow != "backpressure" or not self.within > 0):
            raise ConfigError("within is a time above 0, and goes with backpressure only")


class Disconnected(StreamError):
    """A consumer was too slow for a hub or a topic, as its policy says."""

    code = "RTE611"


class Port:
    """One side of a hub.

    Args:
        name: for people, and for hash rings.
        wake: makes its owner look again; any thread may call it.
        size: elements that wait here at most.
        slow: what happens when they are.
        window: elements that this consumer may have and not have settled.
        label: what the elements that it gets, too, are known by at a durable end; the same for who comes again.

    Attributes:
        counters: `passed`, `dropped_<reason>`.
        queue: the elements that wait.
        lots: what the elements in the queue are of, in their order; empty where none has a receipt.
        out: elements that were handed out and have no outcome.
        post: of a producer: where outcomes go.
        ended: nothing more will come, or be taken.
        error: why, if it was not the regular end.
        full_since: monotonic time since when it holds up others.
    """

    __slots__ = (
        "_branch", "counters", "ended", "error", "full_since", "label", "lots", "name", "out", "post", "queue",
        "size", "slow", "told", "wake", "window",
    )  # fmt: skip

    def __init__(
        self, name: str, wake: Callable[[], None], size: int, slow: SlowConsumer, window: int = WINDOW, label: str = ""
    ) -> None:
        self.name = name
        self.wake = wake
        self.size = size
        self.slow = slow
        self.window = window
        self.label = label
        self.queue: deque[Any] = deque(maxlen=size)
        self.lots: deque[Lot] = deque(maxlen=size)
        self.out = 0
        self.post: Post | None = None
        self.counters: Counter[str] = Counter()
        self.ended = False
        self.error: BaseException | None = None
        self.full_since: float | None = None
        self.told = False
        self._branch: tuple[Origin, str, Branch] | None = None

    def room(self) -> int:
        """Elements that can be put now; only who back-pressures has a limit."""
        return self.size - len(self.queue) if self.slow.overflow == "backpressure" else self.size

    def put(self, items: Sequence[Any], now: float | None, lot: Lot | None = None) -> None:
        """These come in, and are of `lot`, which is the port's now; with back-pressure no more than there is room for."""
        queue = self.queue
        over = len(queue) + len(items) - self.size
        if over > 0:
            first, n = self._overflow(len(items), over, lot)
            items = items[first : first + n]
            lot = None if lot is None else lot.part(first, n)
        queue.extend(items)
        if lot is not None or self.lots:
            self.note(lot or Lot(None, 0, len(items)))
        if self.full_since is None and len(queue) >= self.size and self.slow.overflow == "backpressure":
            self.full_since = now

    def append(self, item: Any, now: float | None) -> None:
        """One comes in, where there is room; of what it is, is said by `note` before anything else happens here."""
        self.queue.append(item)
        if self.full_since is None and len(self.queue) >= self.size:
            self.full_since = now

    def note(self, lot: Lot) -> None:
        """The newest elements are of this lot."""
        lots = self.lots
        if not lots:
            before = len(self.queue) - lot.count
            if before > 0:
                lots.append(Lot(None, 0, before))
        elif lots[-1].shipment is lot.shipment:
            last = lots[-1]
            alike = last.start + last.count == lot.start and (last.label, last.tries) == (lot.label, lot.tries)
            if lot.shipment is None or alike:
                last.count += lot.count
                return
        if lot.count:
            lots.append(lot)

    def _overflow(self, n: int, over: int, lot: Lot | None) -> tuple[int, int]:
        """Make room for `n` elements as the policy says; returns which of them are put: the first, and how many."""
        waiting, policy = len(self.queue), self.slow.overflow
        self.counters[f"dropped_{OVERFLOW}"] += waiting + max(0, n - self.size) if policy == "drop_buffer" else over
        kept = min(n, self.size)
        first = n - kept
        if policy == "fail":
            self.ended = True
            self.error = BufferOverflow(f"{self.name} has not taken {self.size} elements")
            self.counters[f"dropped_{OVERFLOW}"] += waiting + n - over
            self.discard(waiting, DROPPED)
            first, kept = n, 0
        elif policy == "drop_buffer":
            self.discard(waiting, DROPPED)
        elif policy == "drop_head":
            self.discard(min(over, waiting), DROPPED)
        elif policy == "drop_tail":  # what waits longest stays, and the newest comes in behind it
            self.discard(min(over, waiting), DROPPED, newest=True)
        else:
            first, kept = 0, n - over
            if lot is not None:
                lot.part(kept, over).vote(DROPPED)
        if first and lot is not None:
            lot.part(0, first).vote(DROPPED)
        return first, kept

    def discard(self, n: int, outcome: Outcome, newest: bool = False) -> None:
        """Away with `n` elements of the queue, the oldest or the newest, with this outcome; not counted here."""
        queue, lots = self.queue, self.lots
        if n == len(queue):
            queue.clear()
        else:
            for _ in range(n):
                queue.pop() if newest else queue.popleft()
        while n and lots:
            lot = lots[-1] if newest else lots[0]
            some = min(n, lot.count)
            n -= some
            if some < lot.count:
                lot.count -= some
                gone = lot.part(lot.count if newest else 0, some)
                lot.start += 0 if newest else some
            else:
                gone = lots.pop() if newest else lots.popleft()
            gone.vote(outcome)

    def take(self, n: int) -> list[Any]:
        """Up to `n` elements, in order; those that have a receipt are stored with this."""
        if self.lots:
            left = n = min(n, len(self.queue))
            while left:
                some = min(left, self.lots[0].count)
                self.pop_lot(some).vote(STORED)
                left -= some
        return self.dequeue(n)

    def dequeue(self, n: int) -> list[Any]:
        """Up to `n` elements, in order; their lots have to go, too."""
        queue = self.queue
        if n >= len(queue):
            items = list(queue)
            queue.clear()
        else:
            items = [queue.popleft() for _ in range(n)]
        if items:
            self.full_since = None
            self.counters["passed"] += len(items)
        return items

    def pop_lot(self, n: int) -> Lot:
        """The first `n` elements, all of the first lot."""
        lot = self.lots[0]
        if n == lot.count:
            return self.lots.popleft()
        first = lot.part(0, n)
        lot.start += n
        lot.count -= n
        return first

    def branch(self, origin: Origin, label: str) -> Origin:
        """The origin of what several consumers get, as this one has it."""
        known = self._branch
        if known is None or known[0] is not origin or known[1] != label:
            known = self._branch = (origin, label, Branch(origin, label))
        return known[2]

    def end(self, error: BaseException | None = None, discard: str = "", outcome: Outcome | None = None) -> None:
        """Nothing more comes in; with `discard`, what waits is dropped for that reason, or has `outcome`."""
        if not self.ended:
            self.ended, self.error = True, error
        if discard and self.queue:
            self.counters[f"dropped_{discard}"] += len(self.queue)
            self.discard(len(self.queue), outcome or Dropped(discard))
        self.full_since = None

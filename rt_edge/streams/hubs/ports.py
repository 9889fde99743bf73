"""Ports of hubs: what a hub knows of one producer or one consumer; a bounded queue, and what happens when it is full."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from rt_edge.data.errors import BufferOverflow, ConfigError, StreamError
from rt_edge.streams.stages._overflow import OVERFLOW, Overflow

LEFT = "consumer_left"
"""The reason of what waited for a consumer that went away."""


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

    Attributes:
        counters: `passed`, `dropped_<reason>`.
        ended: nothing more will come, or be taken.
        error: why, if it was not the regular end.
        full_since: monotonic time since when it holds up others.
    """

    __slots__ = ("counters", "ended", "error", "full_since", "name", "queue", "size", "slow", "told", "wake")

    def __init__(self, name: str, wake: Callable[[], None], size: int, slow: SlowConsumer) -> None:
        self.name = name
        self.wake = wake
        self.size = size
        self.slow = slow
        self.queue: deque[Any] = deque(maxlen=size)
        self.counters: Counter[str] = Counter()
        self.ended = False
        self.error: BaseException | None = None
        self.full_since: float | None = None
        self.told = False

    def room(self) -> int:
        """Elements that can be put now; only who back-pressures has a limit."""
        return self.size - len(self.queue) if self.slow.overflow == "backpressure" else self.size

    def put(self, items: Sequence[Any], now: float) -> None:
        """These come in; with back-pressure no more than there is room for."""
        queue = self.queue
        over = len(queue) + len(items) - self.size
        if over > 0:
            items = self._overflow(items, over)
        queue.extend(items)
        if self.full_since is None and len(queue) >= self.size and self.slow.overflow == "backpressure":
            self.full_since = now

    def _overflow(self, items: Sequence[Any], over: int) -> Sequence[Any]:
        """Make room as the policy says; returns what is put."""
        queue, policy = self.queue, self.slow.overflow
        if policy == "fail":
            self.ended = True
            self.error = BufferOverflow(f"{self.name} has not taken {self.size} elements")
            self.counters[f"dropped_{OVERFLOW}"] += len(queue) + len(items)
            queue.clear()
            return ()
        if policy == "drop_buffer":
            self.counters[f"dropped_{OVERFLOW}"] += len(queue) + max(0, len(items) - self.size)
            queue.clear()
            return items[-self.size :]
        self.counters[f"dropped_{OVERFLOW}"] += over
        if policy == "drop_head":
            for _ in range(min(over, len(queue))):
                queue.popleft()
            return items[-self.size :]
        if policy == "drop_tail":  # what waits longest stays, and the newest comes in behind it
            for _ in range(min(over, len(queue))):
                queue.pop()
            return items[-self.size :]
        return items[: len(items) - over]

    def take(self, n: int) -> list[Any]:
        """Up to `n` elements, in order."""
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

    def end(self, error: BaseException | None = None, discard: str = "") -> None:
        """Nothing more comes in; with `discard`, what waits is dropped for that reason."""
        if not self.ended:
            self.ended, self.error = True, error
        if discard and self.queue:
            self.counters[f"dropped_{discard}"] += len(self.queue)
            self.queue.clear()
        self.full_since = None

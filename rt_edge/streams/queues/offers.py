"""OfferQueue: what anybody may put elements into, from any thread, and a stream takes them out of."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Any, Generic, Literal, TypeVar

from rt_edge.data.errors import StreamError
from rt_edge.protocol.rules import check_element
from rt_edge.streams.queues.waiters import Waiters, wake
from rt_edge.streams.stages._common import at_least

A = TypeVar("A")

Overflow = Literal["backpressure", "drop_head", "drop_new"]


class Offered(enum.Enum):
    """What became of an element that was offered."""

    ENQUEUED = "enqueued"
    FULL = "full"
    """Not taken: it is still the caller's. Offer it again, or use `put`."""
    DROPPED = "dropped"
    """The queue was full, and its strategy is to drop what is new."""
    CLOSED = "closed"
    """The queue was completed or has failed, or its stream has ended."""


class OfferQueue(Generic[A]):
    """A bounded queue in front of a stream: `Source.queue(queue)`. For one run; all methods may be called from any thread.

    Args:
        size: elements that wait, at most.
        overflow: what becomes of one too many. backpressure: it is not taken. drop_head: the oldest is dropped. drop_new: it is
            dropped itself.

    Attributes:
        dropped: elements that the strategy dropped, or that waited when the stream was cancelled.
    """

    def __init__(self, size: int = 256, overflow: Overflow = "backpressure") -> None:
        at_least(1, size=size)
        self.dropped = 0
        self._overflow = overflow
        self._lock = Lock()
        self._items: deque[A] = deque(maxlen=size)  # drops its head when it is full
        self._end: BaseException | Literal[True] | None = None  # True: completed
        self._waiters = Waiters(self._lock)
        self._wake: Callable[[], None] | None = None
        self._used = False
        self._told = False

    def __len__(self) -> int:
        return len(self._items)

    @property
    def is_closed(self) -> bool:
        """Whether nothing is taken any more."""
        return self._end is not None

    def offer(self, element: A) -> Offered:
        """Put `element` in, if there is room; at once.

        Raises:
            TypeError: None (rule 2.13).
        """
        check_element(element)
        with self._lock:
            if self._end is not None:
                return Offered.CLOSED
            if len(self._items) == self._items.maxlen:
                if self._overflow == "backpressure":
                    return Offered.FULL
                self.dropped += 1
                if self._overflow == "drop_new":
                    return Offered.DROPPED
            self._items.append(element)
            tell = self._to_tell()
        tell()
        return Offered.ENQUEUED

    async def put(self, element: A) -> Offered:
        """Put `element` in, and wait for room under `backpressure`; never FULL.

        Raises:
            TypeError: None (rule 2.13).
        """
        while (offered := self.offer(element)) is Offered.FULL:
            with self._lock:
                if len(self._items) < (self._items.maxlen or 0) or self._end is not None:
                    continue
                room = self._waiters.join()
            try:
                await room
            finally:
                self._waiters.leave(room)
        return offered

    def complete(self) -> None:
        """Nothing more will come; what waits is still delivered."""
        self._finish(True)

    def fail(self, error: BaseException) -> None:
        """The stream fails, when what waits was delivered."""
        self._finish(error)

    def _finish(self, end: BaseException | Literal[True]) -> None:
        with self._lock:
            if self._end is not None:
                return
            self._end = end
            waiting = self._waiters.take()
            tell = self._to_tell()
        wake(waiting)
        tell()

    def _to_tell(self) -> Callable[[], None]:
        if self._told or self._wake is None:
            return _nothing
        self._told = True
        return self._wake

    # -- for the stage -------------------------------------------------------------------------------------------------

    def connect(self, wake_up: Callable[[], None]) -> None:
        """A run takes the elements from now on.

        Raises:
            StreamError: there was one already.
        """
        with self._lock:
            if self._used:
                raise StreamError("a queue feeds one run", "make a queue for each run")
            self._used, self._wake = True, wake_up
        wake_up()

    def take(self, n: int) -> tuple[list[A], BaseException | Literal[True] | None]:
        """Up to `n` elements; and the end, if it has come and nothing waits."""
        with self._lock:
            self._told = False
            items = [self._items.popleft() for _ in range(min(n, len(self._items)))]
            waiting = self._waiters.take() if items else []
            end = self._end if not self._items else None
        wake(waiting)
        return items, end

    def disconnect(self) -> int:
        """The run has ended; how many elements were dropped that waited."""
        with self._lock:
            left = len(self._items)
            self.dropped += left
            self._items.clear()
            self._wake = None
            if self._end is None:
                self._end = True
            waiting = self._waiters.take()
        wake(waiting)
        return left


class Promise(OfferQueue[A]):
    """One element that comes later, or none, or an error: `Source.maybe(promise)`. For one run, from any thread."""

    def __init__(self) -> None:
        super().__init__(size=1)

    def keep(self, element: A | None = None) -> bool:
        """The stream is this element, or empty; whether that was not decided before."""
        if element is not None and self.offer(element) is not Offered.ENQUEUED:
            return False
        decided = not self.is_closed
        self.complete()
        return decided

    def break_(self, error: BaseException) -> bool:
        """The stream fails; whether that was not decided before."""
        decided = not self.is_closed
        self.fail(error)
        return decided


def _nothing(*args: Any) -> None:
    """Nobody is to be told."""

"""PullQueue: the end of a stream from which anybody takes elements, from any thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Generic, Literal, Self, TypeVar

from rt_edge.data.errors import StreamError
from rt_edge.streams.queues.waiters import Waiters, wake
from rt_edge.streams.stages._common import at_least

A = TypeVar("A")


class PullQueue(Generic[A]):
    """A bounded queue behind a stream: `Sink.queue(queue)`. For one run; all methods may be called from any thread.

    An element is settled when it is taken. The stream is asked for no more elements than fit.

        while (element := await queue.pull()) is not None: ...
        async for element in queue: ...

    Args:
        size: elements that wait, at most.
    """

    def __init__(self, size: int = 256) -> None:
        at_least(1, size=size)
        self.size = size
        self._lock = Lock()
        self._items: deque[A] = deque(maxlen=size)
        self._end: BaseException | Literal[True] | None = None
        self._taken = 0
        self._cancelled = False
        self._waiters = Waiters(self._lock)
        self._wake: Callable[[], None] | None = None
        self._used = False

    def __len__(self) -> int:
        return len(self._items)

    def poll(self) -> A | None:
        """The next element, if there is one now.

        Raises:
            BaseException: what the stream failed with; what waited then has failed too.
        """
        with self._lock:
            if self._items:
                item = self._items.popleft()
                self._taken += 1
                tell = self._wake if self._taken == 1 else None
            else:
                if isinstance(self._end, BaseException):
                    raise self._end
                return None
        if tell is not None:
            tell()
        return item

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come: the stream has ended and all was taken."""
        with self._lock:
            return self._end is not None and not self._items

    async def pull(self) -> A | None:
        """The next element, or None at the end of the stream.

        Raises:
            BaseException: what the stream failed with.
        """
        while (item := self.poll()) is None:
            with self._lock:
                if self._items:
                    continue
                if self._end is not None:
                    break
                change = self._waiters.join()
            try:
                await change
            finally:
                self._waiters.leave(change)
        return item if item is not None else self.poll()

    def cancel(self) -> None:
        """Nothing more is wanted: what waits is dropped, upstream is cancelled."""
        with self._lock:
            self._cancelled = True
            tell = self._wake
        if tell is not None:
            tell()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> A:
        item = await self.pull()
        if item is None:
            raise StopAsyncIteration
        return item

    # -- for the stage -------------------------------------------------------------------------------------------------

    def connect(self, wake_up: Callable[[], None]) -> None:
        """A run brings elements from now on.

        Raises:
            StreamError: there was one already.
        """
        with self._lock:
            if self._used:
                raise StreamError("a queue is filled by one run", "make a queue for each run")
            self._used, self._wake = True, wake_up
        wake_up()

    def give(self, items: list[A]) -> None:
        """These have come; they were asked for."""
        with self._lock:
            self._items.extend(items)
            waiting = self._waiters.take()
        wake(waiting)

    def look(self) -> tuple[int, bool]:
        """How many elements were taken since the last look, and whether nothing more is wanted."""
        with self._lock:
            taken, self._taken = self._taken, 0
            return taken, self._cancelled

    def complete(self) -> None:
        """Nothing more will come; what waits may still be taken."""
        with self._lock:
            self._end = True
            waiting = self._waiters.take()
        wake(waiting)

    def disconnect(self, error: BaseException | None) -> int:
        """The run has ended: what waits is taken back. Returns how many elements were taken since the last look."""
        with self._lock:
            taken, self._taken = self._taken, 0
            if self._end is None:
                self._end = error or True
            self._wake = None
            self._items.clear()
            waiting = self._waiters.take()
        wake(waiting)
        return taken

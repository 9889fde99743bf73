"""The asyncio loop on an actor's second thread, and the two bounded queues between it and the actor (design 6).

Thespian's loop owns the main thread. Adapters' I/O and the fused engine run on the second thread. Towards the loop, a queue is
emptied by one scheduled call; towards the actor, an eventfd in the actor's watch wakes it. Nothing polls, nothing sleeps.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from rt_edge.data.errors import BufferOverflow, InternalError

DEFAULT_LIMIT = 1024
_TURN = 256  # items taken over in one go, so that neither side starves the rest of its loop

Call = tuple[Callable[..., object], tuple[Any, ...]]


class LoopThread:
    """One asyncio loop on one thread.

    `to_loop` may be called by any thread but is meant for the actor's; `to_actor` by the loop's thread. An exception in a
    function handed to `to_loop` goes to `on_error`, on the loop's thread.

    Args:
        name: of the thread.
        on_error: is told exceptions of functions run in the loop; default: the loop's exception handler.
        limit: items that may wait in each direction; towards the loop, as many again of what `tell_loop` is given.
    """

    def __init__(self, name: str, on_error: Callable[[Exception], None] | None = None, limit: int = DEFAULT_LIMIT) -> None:
        self._name = name
        self._on_error = on_error
        self._limit = limit
        self._inbox: deque[Call] = deque(maxlen=2 * limit)
        self._outbox: deque[object] = deque(maxlen=limit)
        self._lock = threading.Lock()
        self._eventfd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The running loop.

        Raises:
            InternalError: not started.
        """
        if self._loop is None:
            raise InternalError("the loop thread is not running")
        return self._loop

    def start(self, factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop) -> None:
        """Make the loop and run it; returns when it runs. The process must not fork from here on."""
        if self._thread is not None:
            raise InternalError("the loop thread was started twice")
        running = threading.Event()
        loop = factory()

        def run() -> None:
            asyncio.set_event_loop(loop)
            loop.call_soon(running.set)
            try:
                loop.run_forever()
            finally:
                _finish(loop)

        self._loop = loop
        self._thread = threading.Thread(target=run, name=self._name, daemon=True)
        self._thread.start()
        running.wait()

    def to_loop(self, function: Callable[..., object], *args: object) -> None:
        """Run `function(*args)` in the loop, in order.

        Raises:
            BufferOverflow: the queue towards the loop is full; nothing was taken.
            InternalError: the loop does not run.
        """
        self._put(self._limit, function, args)

    def tell_loop(self, function: Callable[..., object], *args: object) -> None:
        """As `to_loop`, in the same order, for what is rare and must not be lost, such as the end of a link: it still finds room
        where the queue is full for others.

        Raises:
            BufferOverflow: that room, as much again, is full too.
            InternalError: the loop does not run.
        """
        self._put(2 * self._limit, function, args)

    def _put(self, limit: int, function: Callable[..., object], args: tuple[Any, ...]) -> None:
        loop = self.loop
        with self._lock:
            if len(self._inbox) >= limit:
                raise BufferOverflow(f"{limit} calls wait for the loop of {self._name}", "the loop is blocked")
            self._inbox.append((function, args))
            first = len(self._inbox) == 1
        if first:
            loop.call_soon_threadsafe(self._run_inbox)

    def _run_inbox(self) -> None:
        for _ in range(_TURN):
            with self._lock:
                if not self._inbox:
                    return
                function, args = self._inbox[0]
            try:
                function(*args)
            except Exception as error:  # noqa: BLE001 - one failed call must not take the loop down
                self._failed(error)
            with self._lock:
                self._inbox.popleft()  # only now, so that `to_loop` schedules no second run beside this one
                if not self._inbox:
                    return
        self.loop.call_soon(self._run_inbox)

    def _failed(self, error: Exception) -> None:
        if self._on_error is not None:
            self._on_error(error)
        else:
            self.loop.call_exception_handler({"message": f"a call into {self._name} failed", "exception": error})

    def to_actor(self, item: object) -> None:
        """Hand a message or a callable to the actor's thread, in order.

        Raises:
            BufferOverflow: the queue towards the actor is full; nothing was taken.
            InternalError: the thread has been stopped.
        """
        with self._lock:
            if self._eventfd < 0:
                raise InternalError(f"the loop thread of {self._name} has been stopped")
            if len(self._outbox) >= self._limit:
                raise BufferOverflow(f"{self._limit} items wait for the actor {self._name}", "the actor is blocked")
            self._outbox.append(item)
            first = len(self._outbox) == 1
            if first:
                os.eventfd_write(self._eventfd, 1)

    def fileno(self) -> int:
        """The eventfd: readable when the actor has something to take."""
        return self._eventfd

    def take(self) -> list[object]:
        """What the loop handed over, at most one turn's worth; the rest makes the eventfd readable again. Actor's thread."""
        with self._lock:
            taken = [self._outbox.popleft() for _ in range(min(_TURN, len(self._outbox)))]
            try:
                os.eventfd_read(self._eventfd)
            except BlockingIOError:
                return taken
            if self._outbox:
                os.eventfd_write(self._eventfd, 1)
        return taken

    def waiting(self) -> tuple[int, int]:
        """Items that wait for the loop and for the actor."""
        return len(self._inbox), len(self._outbox)

    def stop(self, deadline: float) -> bool:
        """Cancel the loop's tasks, stop it, and wait for the thread. What waits in the queues is dropped.

        Args:
            deadline: seconds to wait at most.

        Returns:
            Whether the thread has ended; if not, it is a daemon thread and ends with the process.
        """
        thread, loop = self._thread, self._loop
        if thread is None or loop is None:
            return True
        if thread.is_alive():
            loop.call_soon_threadsafe(loop.stop)
            thread.join(deadline)
        if thread.is_alive():
            return False
        self._loop = self._thread = None
        with self._lock:
            os.close(self._eventfd)
            self._eventfd = -1
        return True


def _finish(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what still runs and close; on the loop's thread."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    asyncio.set_event_loop(None)
    loop.close()

"""Host: the thread, timers and tasks an engine runs on. asyncio in a node, a virtual clock in tests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from rt_edge.data.clock import Clock, SystemClock
from rt_edge.data.errors import StreamError
from rt_edge.data.receipt import LOST

if TYPE_CHECKING:
    from rt_edge.streams.engine import Engine

log = logging.getLogger(__name__)


class Host(Protocol):
    """What an engine asks of its surroundings; all calls but `threadsafe` come from the island's thread.

    Attributes:
        clock: time.
    """

    clock: Clock

    def wake(self) -> None:
        """Call `engine.run()` soon, again and again until it returns False. Idempotent."""
        ...

    def soon(self, function: Callable[[], None]) -> None:
        """Call `function` after the current turn."""
        ...

    def later(self, seconds: float, function: Callable[[], None]) -> Callable[[], None]:
        """Call `function` that much later; returns a function that cancels it."""
        ...

    def spawn(self, work: Coroutine[Any, Any, Any], done: Callable[[Any, BaseException | None], None]) -> Callable[[], None]:
        """Run a coroutine; then call `done(result, error)`. Returns a function that cancels it (then `done` is not called)."""
        ...

    def threadsafe(self, function: Callable[[], None]) -> None:
        """Call `function` soon in the island's thread; may be called from any thread; ignored when the host has closed."""
        ...


class AsyncioHost:
    """A host on a running asyncio loop; one engine each.

    Args:
        clock: what stages see as time; timers run on the loop's own clock.
    """

    def __init__(self, clock: Clock | None = None, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.clock: Clock = clock or SystemClock()
        self._loop = loop or asyncio.get_running_loop()
        self._engine: Engine | None = None
        self._woken = False
        self._tasks: set[asyncio.Task[Any]] = set()

    def attach(self, engine: Engine) -> None:
        """Drive `engine` from now on."""
        self._engine = engine
        LOST.wake = lambda: self.threadsafe(self.wake)

    def wake(self) -> None:
        """Schedule a turn, unless one is scheduled."""
        if not self._woken:
            self._woken = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._woken = False
        if self._engine is not None and self._engine.run():
            self.wake()

    def soon(self, function: Callable[[], None]) -> None:
        """After the current turn, on the loop."""
        self._loop.call_soon(function)

    def later(self, seconds: float, function: Callable[[], None]) -> Callable[[], None]:
        """A timer of the loop."""
        return self._loop.call_later(seconds, function).cancel

    def spawn(self, work: Coroutine[Any, Any, Any], done: Callable[[Any, BaseException | None], None]) -> Callable[[], None]:
        """A task of the loop."""
        task = self._loop.create_task(work)
        self._tasks.add(task)

        given_up = False

        def finished(task: asyncio.Task[Any]) -> None:
            self._tasks.discard(task)
            if given_up:
                return
            if task.cancelled():  # by what it waited for: whoever waits for this has to hear of it
                done(None, StreamError("what was waited for was cancelled"))
                return
            error = task.exception()
            done(None if error else task.result(), error)

        task.add_done_callback(finished)

        def cancel() -> None:
            nonlocal given_up
            given_up = True
            task.cancel()

        return cancel

    def threadsafe(self, function: Callable[[], None]) -> None:
        """From any thread."""
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:
            log.debug("a call came after the island's loop had closed")

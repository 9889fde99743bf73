"""ActorHost: an engine on the main thread of an actor, between its messages; for actors that must not have a second thread."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from rt_edge.data.clock import Clock
from rt_edge.data.errors import InternalError
from rt_edge.streams.engine import Engine

After = Callable[[float, Callable[[], object]], Callable[[], None]]


class ActorHost:
    """The thread and the timers of an actor as the host of one engine (`rt_edge.streams.host.Host`).

    A turn is a wake-up of the actor, so that its messages are not held up; there is no loop, so stages that need coroutines or
    threads cannot be in such an engine.

    Args:
        clock: time.
        after: calls later, on the actor's thread; returns what cancels it.
        elsewhere: hands a call of another thread to the actor's; None: there is none.
    """

    def __init__(self, clock: Clock, after: After, elsewhere: Callable[[Callable[[], None]], object] | None = None) -> None:
        self.clock = clock
        self._after = after
        self._elsewhere = elsewhere
        self._engine: Engine | None = None
        self._woken = False

    def attach(self, engine: Engine) -> None:
        """Drive `engine` from now on."""
        self._engine = engine

    def wake(self) -> None:
        """A turn, soon."""
        if not self._woken:
            self._woken = True
            self._after(0.0, self._turn)

    def _turn(self) -> None:
        self._woken = False
        if self._engine is not None and self._engine.run():
            self.wake()

    def soon(self, function: Callable[[], None]) -> None:
        """After the current turn."""
        self._after(0.0, function)

    def later(self, seconds: float, function: Callable[[], None]) -> Callable[[], None]:
        """A timer of the actor."""
        return self._after(seconds, function)

    def spawn(self, work: Coroutine[Any, Any, Any], done: Callable[[Any, BaseException | None], None]) -> Callable[[], None]:
        """Not here.

        Raises:
            InternalError: always.
        """
        work.close()
        raise InternalError("an engine in an actor without a loop cannot wait for coroutines")

    def threadsafe(self, function: Callable[[], None]) -> None:
        """Of another thread, if there is one."""
        if self._elsewhere is None:
            self._after(0.0, function)
        else:
            self._elsewhere(function)

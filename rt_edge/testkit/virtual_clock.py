"""A host for engines under a clock that is wound by hand: nothing happens unless a test says so, and all can be repeated."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable, Coroutine, Generator
from random import Random
from typing import Any

from rt_edge.data.clock import Clock
from rt_edge.data.errors import InternalError
from rt_edge.streams.engine import TURN_VISITS, Engine
from rt_edge.testkit.simulated_time import SimulatedTime

VirtualClock = SimulatedTime
"""The clock of a `VirtualHost`; several hosts may share one."""

RUNAWAY = 50_000
"""Events in one call of `settle` or `advance`, at most; more is an engine that never comes to rest."""


class Sleep:
    """`await Sleep(seconds)` in a coroutine that a `VirtualHost` runs: virtual time, and the only thing it can wait for."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __await__(self) -> Generator[Sleep, None, None]:
        yield self


class VirtualHost:
    """Runs one engine under a virtual clock.

    Args:
        clock: shared with other hosts, or one of its own.
        seed: cuts turns at random places (1 to 8 wires), always the same for a seed; None: whole turns.
    """

    def __init__(self, clock: VirtualClock | None = None, seed: int | None = None) -> None:
        self.time = clock or VirtualClock()
        self.clock: Clock = self.time
        self._random = None if seed is None else Random(seed)  # noqa: S311 - a schedule, not a secret
        self._engine: Engine | None = None
        self._woken = False

    def attach(self, engine: Engine) -> None:
        """Drive `engine` from now on."""
        self._engine = engine

    # -- for tests -----------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Run all that can happen without time passing."""
        self.advance(0.0)

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass, with all that happens meanwhile."""
        events = 0

        def ran_away() -> bool:
            nonlocal events
            events += 1
            return events > RUNAWAY

        if self.time.run_until(self.time.now + seconds, ran_away):
            raise InternalError(f"no rest after {RUNAWAY} events at {self.time.now} s")

    # -- for the engine (`rt_edge.streams.host.Host`) ------------------------------------------------------------------

    def wake(self) -> None:
        """A turn, as the next event."""
        if not self._woken:
            self._woken = True
            self.time.call_later(0.0, self._turn)

    def _turn(self) -> None:
        self._woken = False
        visits = TURN_VISITS if self._random is None else self._random.randint(1, 8)
        if self._engine is not None and self._engine.run(visits):
            self.wake()

    def soon(self, function: Callable[[], None]) -> None:
        """After the current turn."""
        self.time.call_later(0.0, function)

    def later(self, seconds: float, function: Callable[[], None]) -> Callable[[], None]:
        """A timer in virtual time."""
        return self.time.call_later(seconds, function).cancel

    def threadsafe(self, function: Callable[[], None]) -> None:
        """After the current turn; tests have one thread."""
        self.time.call_later(0.0, function)

    def spawn(self, work: Coroutine[Any, Any, Any], done: Callable[[Any, BaseException | None], None]) -> Callable[[], None]:
        """Run a coroutine that waits for nothing but `Sleep`.

        When it is cancelled it hears CancelledError where it waits, as on an asyncio loop, and may go on waiting to tidy up.
        """
        pending: list[Callable[[], None]] = []
        begun = given_up = False

        def step(error: BaseException | None = None) -> None:
            nonlocal begun
            begun = True
            pending.clear()
            try:
                wait = work.send(None) if error is None else work.throw(error)
            except StopIteration as stop:
                tell(stop.value, None)
            except (Exception, CancelledError) as raised:  # noqa: BLE001 - the coroutine's error is its result
                tell(None, raised)
            else:
                if not isinstance(wait, Sleep):
                    work.close()
                    tell(None, InternalError(f"under a virtual clock a coroutine can wait for Sleep only, not {wait!r}"))
                    return
                pending.append(self.later(wait.seconds, step))

        def tell(result: Any, error: BaseException | None) -> None:
            if not given_up:
                done(result, error)

        def cancel() -> None:
            nonlocal given_up
            given_up = True
            for timer in pending:
                timer()
            if not begun:
                work.close()
            elif pending:
                pending[:] = [self.later(0.0, lambda: step(CancelledError()))]

        pending.append(self.later(0.0, step))
        return cancel

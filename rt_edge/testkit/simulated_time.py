"""Time wound by hand: events in the order of their time, equal times in the order of their making."""

from __future__ import annotations

import heapq
from collections.abc import Callable

EPOCH_NS = 1_700_000_000_000_000_000
"""Wall time at second 0."""


class Handle:
    """One event to come."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """Let it not happen; harmless afterwards."""
        self.call = None


class SimulatedTime:
    """A `rt_edge.data.clock.Clock` that moves when `step` runs the next event.

    Args:
        max_events: events that may wait at once; more is a runaway simulation.
    """

    def __init__(self, max_events: int = 1_000_000) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Handle]] = []
        self._made = 0
        self._max = max_events

    @property
    def waiting(self) -> int:
        """Events to come that nobody has cancelled: timers, tasks, turns."""
        return sum(handle.call is not None for _, _, handle in self._events)

    def monotonic(self) -> float:
        """Seconds since the simulation's start."""
        return self.now

    def wall_ns(self) -> int:
        """Nanoseconds since 1970 UTC, in a world that began in November 2023."""
        return EPOCH_NS + int(self.now * 1e9)

    def call_at(self, at: float, call: Callable[[], None]) -> Handle:
        """Run `call` at `at`, at once if that is past."""
        if len(self._events) >= self._max:
            raise OverflowError(f"{len(self._events)} events wait: the simulation runs away")
        handle = Handle(call)
        self._made += 1
        heapq.heappush(self._events, (max(at, self.now), self._made, handle))
        return handle

    def call_later(self, delay: float, call: Callable[[], None]) -> Handle:
        """Run `call` in `delay` seconds."""
        return self.call_at(self.now + delay, call)

    def step(self) -> bool:
        """Run the next event; False when there is none."""
        while self._events:
            at, _, handle = heapq.heappop(self._events)
            if handle.call is not None:
                self.now = at
                call, handle.call = handle.call, None
                call()
                return True
        return False

    def run_until(self, at: float, done: Callable[[], bool] = lambda: False) -> bool:
        """Run events up to `at`, or until `done`; returns `done()`."""
        while self._events and self._events[0][0] <= at:
            if self._events[0][2].call is None:  # cancelled: `step` would go on to an event that may be later than `at`
                heapq.heappop(self._events)
                continue
            self.step()
            if done():
                return True
        self.now = max(self.now, at)
        return done()

"""Circuit breaker: whether something that fails may be called now; a state machine without I/O.

    closed      calls are made; `failures` in a row open it
    open        no calls until the wait is over; the wait grows with every probe that fails, up to a bound
    half_open   a few calls are made as probes: when they succeed it closes, when one fails it opens for longer

Time and randomness come in as parameters. The stage `circuit_breaker` is made of it, and so is what an adapter does about a
device that does not answer (`rt_edge.sdk.breaker`).
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Literal

import msgspec

from rt_edge.data.errors import ConfigError, TransientError

State = Literal["closed", "open", "half_open"]
Listener = Callable[[State, State], object]


class CircuitOpen(TransientError):
    """Not called: it has failed too often, and is left alone for now."""

    code = "RTE323"


class CallTimeout(TransientError):
    """A call took longer than it may."""

    code = "RTE324"


class BreakerLimits(msgspec.Struct, frozen=True):
    """When a breaker opens, and for how long.

    Attributes:
        failures: in a row, until it opens.
        reset_min: seconds until the first probe.
        reset_max: seconds, upper bound of every wait; not less than `reset_min` in effect.
        growth: factor between the waits before two probes that fail.
        jitter: part of a wait that is drawn by lot, so that many breakers do not probe together: 0: none, 1: all of it.
        probes: calls in a row that have to succeed until it closes, and that are made at a time meanwhile.

    Raises:
        ConfigError: limits that make no sense.
    """

    failures: int = 5
    reset_min: float = 1.0
    reset_max: float = 60.0
    growth: float = 2.0
    jitter: float = 0.25
    probes: int = 1

    def __post_init__(self) -> None:
        """Refuse limits that make no sense."""
        if self.failures < 1 or self.probes < 1:
            raise ConfigError("failures and probes of a circuit breaker have to be at least 1")
        if not (self.reset_min > 0 and self.reset_max > 0 and self.growth >= 1 and 0 <= self.jitter <= 1):
            raise ConfigError("a circuit breaker waits for more than 0 s; growth is at least 1, jitter 0 to 1")


class Breaker:
    """The state machine of one breaker.

    Args:
        limits: see there.
        random: jitter.
        listener: told of every change: (before, after).

    Attributes:
        state: of now.
        failures: in a row.
        retry_at: monotonic seconds; an open breaker lets a probe through from then on.
        lap: counts changes of the state. What was begun in an earlier lap says nothing about this one.
    """

    __slots__ = ("_limits", "_listener", "_probing", "_random", "_succeeded", "_wait", "failures", "lap", "retry_at", "state")

    def __init__(self, limits: BreakerLimits, random: Random, listener: Listener | None = None) -> None:
        self._limits = limits
        self._random = random
        self._listener = listener
        self._wait = 0.0
        self._probing = 0
        self._succeeded = 0
        self.failures = 0
        self.retry_at = 0.0
        self.lap = 0
        self.state: State = "closed"

    def allows(self, now: float) -> bool:
        """Whether a call may begin; an open breaker whose wait is over becomes half-open."""
        if self.state == "open" and now >= self.retry_at:
            self._become("half_open")
        return self.state == "closed" or (self.state == "half_open" and self._probing < self._limits.probes)

    def begin(self) -> int:
        """A call that was allowed begins; returns its lap. Who makes one call at a time need not say so."""
        if self.state == "half_open":
            self._probing += 1
        return self.lap

    def succeeded(self, lap: int | None = None) -> bool:
        """A call (of `lap`) has succeeded; True if it had been given up before, and is trusted again."""
        if lap is not None and lap != self.lap:
            return False
        self.failures = 0
        if self.state == "closed":
            return False
        self._probing = max(0, self._probing - 1)
        self._succeeded += 1
        if self._succeeded < self._limits.probes:
            return False
        self._wait = 0.0
        self._become("closed")
        return True

    def failed(self, now: float, at_least: float = 0.0, lap: int | None = None) -> bool:
        """A call (of `lap`) has failed; it is left alone for `at_least` so many seconds. True if that opened a closed breaker."""
        if lap is not None and lap != self.lap:
            return False
        self.failures += 1
        limits = self._limits
        if self.state == "closed" and self.failures < limits.failures:
            return False
        opened = self.state == "closed"
        self._wait = min(max(limits.growth * self._wait, limits.reset_min), max(limits.reset_max, limits.reset_min))
        self.retry_at = now + max(self._wait * self._random.uniform(1.0 - limits.jitter, 1.0), at_least)
        self._become("open")
        return opened

    def abandoned(self, lap: int) -> None:
        """A call of `lap` was given up for reasons of its caller: it says nothing, and leaves room for another probe."""
        if lap == self.lap:
            self._probing = max(0, self._probing - 1)

    def reset(self, now: float) -> None:
        """There is reason to hope (a new connection): an open breaker may probe at once."""
        self.retry_at = min(self.retry_at, now)

    def _become(self, state: State) -> None:
        before, self.state = self.state, state
        self._probing = self._succeeded = 0
        if before != state:
            self.lap += 1
            if self._listener is not None:
                self._listener(before, state)

"""A breaker for each unit: a dead unit is asked rarely, so that it costs the others at most a twentieth of the bus."""

from __future__ import annotations

from random import Random
from typing import Literal, NamedTuple

SHARE = 20
"""After a failed probe the unit is left alone for at least this many times what the probe cost: 1/21 of the bus at most."""


class BreakerLimits(NamedTuple):
    """When a breaker opens, and the bounds of its wait in seconds."""

    failures: int
    retry_min: float
    retry_max: float


class Breaker:
    """closed -> open after `failures` in a row -> half-open for one probe -> closed, or open for twice as long.

    Args:
        limits: see there.
        random: jitter, so that several dead units are not probed together.
    """

    __slots__ = ("_limits", "_random", "_wait", "failures", "retry_at", "state")

    def __init__(self, limits: BreakerLimits, random: Random) -> None:
        self._limits = limits
        self._random = random
        self._wait = 0.0
        self.failures = 0
        self.retry_at = 0.0
        self.state: Literal["closed", "open", "half-open"] = "closed"

    def allows(self, now: float) -> bool:
        """Whether the unit may be asked; an open breaker whose wait is over becomes half-open."""
        if self.state == "open" and now >= self.retry_at:
            self.state = "half-open"
        return self.state != "open"

    def succeeded(self) -> bool:
        """The unit answered; True if it had been given up before."""
        returned = self.state != "closed"
        self.state = "closed"
        self.failures = 0
        self._wait = 0.0
        return returned

    def failed(self, now: float, cost: float) -> bool:
        """The unit did not answer, which took `cost` seconds of the bus; True if that opened a closed breaker."""
        self.failures += 1
        if self.state == "closed" and self.failures < self._limits.failures:
            return False
        opened = self.state == "closed"
        self.state = "open"
        limits = self._limits
        self._wait = min(max(2 * self._wait, limits.retry_min), max(limits.retry_max, limits.retry_min))
        # jitter only lengthens the floor: the share of the bus stays bounded
        wait = max(self._wait * self._random.uniform(0.75, 1.0), SHARE * cost)
        self.retry_at = now + wait
        return opened

    def reset(self, now: float) -> None:
        """A new connection: an open breaker may probe at once."""
        self.retry_at = min(self.retry_at, now)

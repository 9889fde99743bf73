"""A breaker for each unit: a dead unit is asked rarely, so that it costs the others at most a twentieth of the bus."""

from __future__ import annotations

from rt_edge.sdk.breaker import Breaker, BreakerLimits

SHARE = 20
"""After a failed probe the unit is left alone for at least this many times what the probe cost: 1/21 of the bus at most."""


def unanswered(breaker: Breaker, now: float, cost: float) -> bool:
    """The unit did not answer, which took `cost` seconds of the bus; True if that opened a closed breaker.

    Jitter only lengthens this floor: the share of the bus stays bounded.
    """
    return breaker.failed(now, at_least=SHARE * cost)


__all__ = ["SHARE", "Breaker", "BreakerLimits", "unanswered"]

"""Full-jitter backoff, one policy for all adapters and links."""

from __future__ import annotations

from random import Random

FIRST_S = 1.0
LAST_S = 60.0
LASTING_S = 30.0
"""A connection that lived shorter than this counts as a failed attempt."""


class Backoff:
    """How long to wait before the next attempt.

    Args:
        random: source of the jitter.
        first_s: upper bound of the first wait, seconds.
        last_s: upper bound of every wait, seconds.
    """

    def __init__(self, random: Random, first_s: float = FIRST_S, last_s: float = LAST_S) -> None:
        self._random = random
        self._first_s = first_s
        self._last_s = last_s
        self.failures = 0

    def failed(self) -> float:
        """An attempt failed; returns the seconds to wait: uniform between 0 and a bound that doubles (full jitter)."""
        bound = min(self._last_s, self._first_s * 2 ** min(self.failures, 30))
        self.failures += 1
        return self._random.uniform(0.0, bound)

    def lived(self, seconds: float) -> None:
        """A connection ended after `seconds`; a lasting one clears the count."""
        if seconds >= LASTING_S:
            self.failures = 0

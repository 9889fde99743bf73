"""Observations without I/O: which notification is the newer one, and when to register again (RFC 7641)."""

from __future__ import annotations

from random import Random

HALF = 1 << 23
"""Half of the sequence numbers: they are 24 bits long and wrap (RFC 7641, 3.4)."""

RESET_S = 128.0
"""After so many seconds any notification is newer, whatever its number (RFC 7641, 3.4)."""

FLOOR_S = 1.0
"""Least seconds between two registrations, whatever Max-Age says."""


class Freshness:
    """Tells notifications that were overtaken on the way."""

    __slots__ = ("_at", "_number")

    def __init__(self) -> None:
        self._number: int | None = None
        self._at = 0.0

    def accepts(self, number: int, now: float) -> bool:
        """Whether the notification is newer than all accepted so far.

        Args:
            number: of its Observe option, 24 bits.
            now: monotonic seconds of its arrival.
        """
        if self._number is not None and now <= self._at + RESET_S:
            ahead = (number - self._number) % (2 * HALF)
            if not 0 < ahead < HALF:
                return False
        self._number, self._at = number, now
        return True


def refresh_after(max_age: float, longest: float, random: Random) -> float:
    """Seconds from a notification to the next registration: before it is stale, not all resources at once.

    Args:
        max_age: of the notification, seconds.
        longest: upper bound, seconds: a host that was restarted has forgotten its observers, and says nothing.
        random: jitter.
    """
    return max(FLOOR_S, min(max_age, longest) * random.uniform(0.75, 0.9))

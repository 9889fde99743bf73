"""When to send a PINGREQ, and when a silent peer counts as gone (MQTT 5, 3.1.2.10). No I/O; the caller's clock is monotonic."""

from __future__ import annotations

from typing import Literal

Verdict = Literal["fine", "ping", "gone"]


class Keepalive:
    """Silence of both sides of one connection.

    A PINGREQ goes out after three quarters of the keepalive without a packet in either direction; a peer that says nothing at all
    for one keepalive after that is gone. Looked at each quarter, that is twice the keepalive at most.

    Args:
        seconds: keepalive interval.
        now: when the connection began.
    """

    def __init__(self, seconds: float, now: float) -> None:
        self.seconds = seconds
        self._sent = self._heard = self._looked = now
        self._asked: float | None = None

    @property
    def interval(self) -> float:
        """Seconds from one `look` to the next."""
        return self.seconds / 4

    def sent(self, now: float) -> None:
        """Something was sent."""
        self._sent = now

    def asked(self, now: float) -> None:
        """A PINGREQ was sent."""
        self._sent = now
        if self._asked is None:
            self._asked = now

    def heard(self, now: float) -> None:
        """Something came."""
        self._heard = now
        self._asked = None

    def look(self, now: float, paused: bool) -> Verdict:
        """What is to be done now.

        Args:
            now: the time.
            paused: nothing is being read, by our own will: silence proves nothing then.
        """
        slept = now - self._looked > 2 * self.interval  # a machine that was suspended, a loop that was held up: nothing was read
        self._looked = now
        if paused or slept:
            self._heard = now
            self._asked = None
            return "ping" if slept or now - self._sent >= self.seconds * 0.75 else "fine"
        if self._asked is not None:
            return "gone" if now - self._asked >= self.seconds else "fine"
        return "ping" if now - min(self._sent, self._heard) >= self.seconds * 0.75 else "fine"

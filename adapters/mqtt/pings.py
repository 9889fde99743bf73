"""What a PINGRESP proves: the broker has everything that was sent before its PINGREQ. No I/O."""

from __future__ import annotations

from collections import deque
from typing import ClassVar


class Pings:
    """Which acknowledgements went before which PINGREQ. Answers come in order."""

    SPACING_S: ClassVar[float] = 1.0
    """Acknowledgements are followed by a PINGREQ at most this often."""
    MOST: ClassVar[int] = 64
    """Most unanswered PINGREQs."""

    def __init__(self) -> None:
        self._through = 0
        self._sent: deque[int] = deque(maxlen=self.MOST)

    @property
    def room(self) -> bool:
        """Whether another PINGREQ may go out."""
        return len(self._sent) < self.MOST

    def acknowledged(self, through: int) -> bool:
        """Acknowledgements up to `through` were queued; returns whether that is news worth a PINGREQ."""
        news = through > self._through
        self._through = max(self._through, through)
        return news

    def sent(self) -> None:
        """A PINGREQ was queued behind them."""
        self._sent.append(self._through)

    def answered(self) -> int | None:
        """A PINGRESP came: how far the broker is known to have acknowledgements; None for an answer nobody asked for."""
        return self._sent.popleft() if self._sent else None

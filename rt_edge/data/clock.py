"""Time as a parameter: no other module of rt_edge calls `time.*`."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What the program may ask about time; the testkit has one that is wound by hand."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never steps back; for intervals and timers."""
        ...

    def wall_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC; may step; only for what is shown or stored as a time."""
        ...


class SystemClock:
    """The machine's clocks."""

    __slots__ = ()

    def monotonic(self) -> float:
        """Seconds of CLOCK_MONOTONIC."""
        return time.monotonic()

    def wall_ns(self) -> int:
        """Nanoseconds of CLOCK_REALTIME."""
        return time.time_ns()

"""How busy the bus is and how long units take, as gauges, every ten seconds of traffic."""

from __future__ import annotations

from collections import deque

from rt_edge.sdk import AdapterContext

WINDOW = 10.0
SAMPLES = 256
"""Round trips kept for the percentiles."""


class BusStats:
    """Gauges `bus_utilisation`, `round_trip_p50_s`, `round_trip_p99_s`.

    Args:
        context: where the gauges go.
    """

    __slots__ = ("_busy", "_context", "_since", "_times", "busy_unanswered", "requests")

    def __init__(self, context: AdapterContext) -> None:
        self._context = context
        self._times: deque[float] = deque(maxlen=SAMPLES)
        self._busy = 0.0
        self._since: float | None = None
        self.requests = 0
        self.busy_unanswered = 0.0
        """Seconds spent in all on requests that nobody answered."""

    def transaction(self, started: float, now: float, answered: bool) -> None:
        """A transaction ended."""
        took = now - started
        self.requests += 1
        self._busy += took
        if answered:
            self._times.append(took)
        else:
            self.busy_unanswered += took
        if self._since is None:
            self._since = started
        elif now - self._since >= WINDOW:
            self._context.gauge("bus_utilisation", min(1.0, self._busy / (now - self._since)))
            if self._times:
                ordered = sorted(self._times)
                self._context.gauge("round_trip_p50_s", ordered[len(ordered) // 2])
                self._context.gauge("round_trip_p99_s", ordered[len(ordered) * 99 // 100])
            self._busy, self._since = 0.0, now

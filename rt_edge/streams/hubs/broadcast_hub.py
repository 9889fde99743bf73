"""BroadcastHub: one producer, many consumers that come and go; each gets every element from when it came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rt_edge.streams.hubs.hub import Hub
from rt_edge.streams.hubs.ports import Port


class BroadcastHub(Hub):
    """Every element to every consumer; the slowest of those that back-pressure sets the pace.

    While nobody consumes nothing is taken from the producer. Its end is the end of the consumers, after what waits for them; its
    failure reaches them at once.
    """

    def _room(self, producer: Port) -> int:
        return min((consumer.room() for consumer in self._consumers), default=0)

    def _give(self, producer: Port, items: Sequence[Any], now: float) -> int:
        n = min(len(items), self._room(producer))
        if n:
            some = items if n == len(items) else items[:n]
            for consumer in list(self._consumers):
                consumer.put(some, now)
                if consumer.ended:  # overflow under `fail`
                    self._disconnect(consumer)
        return n

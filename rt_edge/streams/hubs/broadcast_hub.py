"""BroadcastHub: one producer, many consumers that come and go; each gets every element from when it came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rt_edge.data.chunk import Chunk
from rt_edge.streams.hubs.deliveries import OWN
from rt_edge.streams.hubs.hub import UNATTENDED, Hub
from rt_edge.streams.hubs.ports import Port


class BroadcastHub(Hub):
    """Every element to every consumer; the slowest of those that back-pressure sets the pace.

    While nobody consumes nothing is taken from the producer, or what comes is dropped (`unattended`). Its end is the end of the
    consumers, after what waits for them; its failure reaches them at once.

    An element has the worst outcome of the consumers that were there when it was taken: failed before stored before dropped, as
    behind a `broadcast`. To a durable end the elements of two consumers are different elements.
    """

    def _room(self, producer: Port) -> int:
        if not self._consumers:
            return self.buffer if self._drops else 0
        return min([consumer.room() for consumer in self._consumers])

    def _give(self, producer: Port, items: Sequence[Any], now: float, chunk: Chunk | None) -> int:
        n = min(len(items), self._room(producer))
        if n and not self._consumers:
            self._refuse(producer, chunk, 0, n, UNATTENDED)
        elif n:
            some = items if n == len(items) else items[:n]
            consumers = list(self._consumers)
            lot = self._ship(producer, chunk, 0, n, len(consumers))
            branch = None if lot is None else lot.branch(OWN)
            for consumer in consumers:
                consumer.put(some, now, branch if lot is None or n == 1 else lot.branch(OWN))  # one element is never divided
                if consumer.ended:  # overflow under `fail`
                    self._disconnect(consumer)
        return n

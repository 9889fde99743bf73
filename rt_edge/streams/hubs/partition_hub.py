"""PartitionHub: one producer, many consumers that come and go; each element goes to one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rt_edge.streams.hubs.hub import BUFFER, Hub
from rt_edge.streams.hubs.ports import Port, SlowConsumer
from rt_edge.streams.routing.routee import Routee
from rt_edge.streams.routing.strategy import MostDemand, Strategy

UNROUTED = "unrouted"
"""The reason of what is for nobody."""

Choice = Callable[[Any, Sequence[Routee]], int | None]
"""The place of the consumer that gets an element; None: nobody. `load` of a routee is the size of its queue."""


class PartitionHub(Hub):
    """Each element to the consumer that a strategy or a function chooses; it sees how much waits for each.

    An element that is for a full queue waits, and what is behind it. While nobody consumes nothing is taken. What the function
    raises ends the hub with it.

    Args:
        route: a strategy of `rt_edge.streams.routing`, or a function of the element and the consumers.
        buffer: elements that may wait for one consumer.
        slow: what happens to consumers that are slow, if they do not say so themselves.
        start_after: nothing is taken before so many consumers have been there at once.
        keep_open: when the producer has ended, consumers wait for another one.
    """

    def __init__(
        self,
        route: Strategy | Choice | None = None,
        buffer: int = BUFFER,
        slow: SlowConsumer | None = None,
        start_after: int = 1,
        keep_open: bool = False,
    ) -> None:
        super().__init__(buffer, slow, start_after, keep_open)
        self._route = route or MostDemand()

    def _room(self, producer: Port) -> int:
        return max((consumer.room() for consumer in self._consumers), default=0)

    def _give(self, producer: Port, items: Sequence[Any], now: float) -> int:
        taken = 0
        for item in items:
            if not self._consumers:
                break
            routees = [Routee(port.name, port.room(), len(port.queue)) for port in self._consumers]
            try:
                chosen = self._choose(item, routees)
            except Exception as error:  # noqa: BLE001 - whatever the function raises is the end of the hub
                self._close(error)
                break
            if chosen is None:
                self.counters[f"dropped_{UNROUTED}"] += 1
            else:
                consumers = [self._consumers[place] for place in chosen]
                if not consumers or any(consumer.room() <= 0 for consumer in consumers):
                    break
                for consumer in consumers:
                    consumer.put([item], now)
                    if consumer.ended:  # overflow under `fail`
                        self._disconnect(consumer)
                if isinstance(self._route, Strategy):
                    self._route.sent(chosen, routees)
            taken += 1
        return taken

    def _choose(self, item: Any, routees: Sequence[Routee]) -> Sequence[int] | None:
        """Places, none if it has to wait; None: nobody will ever get it."""
        if isinstance(self._route, Strategy):
            return self._route.choose(item, routees) if self._route.wanted(item, routees) else None
        place = self._route(item, routees)
        if place is None:
            return None
        if not 0 <= place < len(routees):
            raise IndexError(f"{place} is not the place of a consumer (0 to {len(routees) - 1})")
        return (place,)

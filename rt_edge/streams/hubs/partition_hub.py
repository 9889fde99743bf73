"""PartitionHub: one producer, many consumers that come and go; each element goes to one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rt_edge.data.chunk import Chunk
from rt_edge.data.receipt import Dropped
from rt_edge.streams.hubs.deliveries import OWN, Lot
from rt_edge.streams.hubs.hub import BUFFER, UNATTENDED, UNSETTLED, Hub, Unattended
from rt_edge.streams.hubs.ports import WINDOW, Port, SlowConsumer
from rt_edge.streams.hubs.strays import Stray
from rt_edge.streams.routing.routee import Routee
from rt_edge.streams.routing.strategy import MostDemand, Strategy

UNROUTED = "unrouted"
"""The reason of what is for nobody."""

Choice = Callable[[Any, Sequence[Routee]], int | None]
"""The place of the consumer that gets an element; None: nobody. `load` of a routee is the size of its queue."""


class PartitionHub(Hub):
    """Each element to the consumer that a strategy or a function chooses; it sees how much waits for each.

    An element that is for a full queue waits, and what is behind it. While nobody consumes nothing is taken, or what comes is
    dropped (`unattended`). What the function raises ends the hub with it.

    An element has the outcome of the consumer that got it. What waits for a consumer that goes, the hub gives to others, as it
    would have without that one; so also what a consumer had taken that then failed behind it, three times at most: it goes
    before all that producers bring later, but may come behind what was sent to the others before.

    Args:
        route: a strategy of `rt_edge.streams.routing`, or a function of the element and the consumers.
        buffer: elements that may wait for one consumer.
        slow: what happens to consumers that are slow, if they do not say so themselves.
        start_after: nothing is taken before so many consumers have been there at once.
        keep_open: when the producer has ended, consumers wait for another one.
        window: elements that one consumer may have and not have settled.
        unsettled: elements that the hub has taken and whose outcome is not known, at most.
        unattended: what happens while nobody consumes: backpressure; or drop, for the reason `no_consumer`.
    """

    def __init__(
        self,
        route: Strategy | Choice | None = None,
        buffer: int = BUFFER,
        slow: SlowConsumer | None = None,
        start_after: int = 1,
        keep_open: bool = False,
        window: int = WINDOW,
        unsettled: int = UNSETTLED,
        unattended: Unattended = "backpressure",
    ) -> None:
        super().__init__(buffer, slow, start_after, keep_open, window, unsettled, unattended)
        self._route = route or MostDemand()

    def _room(self, producer: Port) -> int:
        return max((consumer.room() for consumer in self._consumers), default=self.buffer if self._drops else 0)

    def _give(self, producer: Port, items: Sequence[Any], now: float, chunk: Chunk | None) -> int:
        if not self._consumers:
            if self._drops:
                self._refuse(producer, chunk, 0, len(items), UNATTENDED)
                return len(items)
            return 0
        lot = self._ship(producer, chunk, 0, len(items), 1, keep=True)
        taken = self._route_all(items, now, lot)
        self._trim(lot, taken)
        return taken

    def _strays(self, lot: Lot) -> bool:
        return bool(self._consumers) or not self._closed

    def _send_stray(self, stray: Stray, now: float | None) -> int:
        return self._route_all(stray.items, now, stray.lot)

    def residue(self, consumer: Port) -> list[Chunk]:
        """None: others get what waits for it."""
        return []

    def _route_all(self, items: Sequence[Any], now: float | None, lot: Lot | None) -> int:
        taken = 0
        dealt: dict[Port, list[int]] = {}
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
                if lot is not None:
                    lot.pick([taken]).vote(Dropped(UNROUTED))
            else:
                consumers = [self._consumers[place] for place in chosen]
                if not consumers or any(consumer.room() <= 0 for consumer in consumers):
                    break
                if lot is not None and len(consumers) == 1 and consumers[0].slow.overflow == "backpressure":
                    consumers[0].append(item, now)
                    dealt.setdefault(consumers[0], []).append(taken)
                else:
                    self._deal(lot, dealt)
                    self._put(consumers, item, now, None if lot is None else lot.pick([taken], len(consumers)))
                if isinstance(self._route, Strategy):
                    self._route.sent(chosen, routees)
            taken += 1
        self._deal(lot, dealt)
        return taken

    def _deal(self, lot: Lot | None, dealt: dict[Port, list[int]]) -> None:
        """Say to each consumer of what the elements are that were put into its queue."""
        if lot is not None:
            for consumer, places in dealt.items():
                consumer.note(lot.pick(places))
            dealt.clear()

    def _put(self, consumers: Sequence[Port], item: Any, now: float | None, lot: Lot | None) -> None:
        several = len(consumers) > 1
        for consumer in consumers:
            consumer.put([item], now, lot if lot is None or not several else lot.branch(OWN))
            if consumer.ended:  # overflow under `fail`
                self._disconnect(consumer)

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

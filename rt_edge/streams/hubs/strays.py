"""Strays: what a consumer had that is gone, for another one, where elements go to one of several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rt_edge.data.receipt import Outcome
from rt_edge.streams.hubs.deliveries import Lot

if TYPE_CHECKING:
    from rt_edge.streams.pubsub.lanes import Lane


class Stray:
    """Elements that a consumer had which is gone.

    Attributes:
        lot: what they are of.
        items: the elements.
    """

    __slots__ = ("items", "lot")

    def __init__(self, lot: Lot, items: Sequence[Any]) -> None:
        self.lot = lot
        self.items = items

    def order(self) -> tuple[int, int]:
        """In which they came; those without a receipt first."""
        shipment = self.lot.shipment
        return (0, 0) if shipment is None else (shipment.number, self.lot.start)

    def vote(self, outcome: Outcome) -> None:
        """Nobody gets them any more; this is their outcome."""
        if self.lot.lane is not None:
            self.lot.lane.found(self.lot.count)
        self.lot.vote(outcome)


class Strays:
    """All of a hub, in the order in which they came to it. Not more than consumers may have: what they had counts on.

    Attributes:
        waiting: those.
    """

    def __init__(self) -> None:
        self.waiting: list[Stray] = []

    def __len__(self) -> int:
        return len(self.waiting)

    def __iter__(self) -> Iterator[Stray]:
        return iter(self.waiting)

    def add(self, lot: Lot, items: Sequence[Any] = ()) -> None:
        """Without `items`, they are those that its shipment has kept."""
        if lot.shipment is not None and not items:
            items = lot.shipment.items[lot.start : lot.start + lot.count]
        if lot.lane is not None:
            lot.lane.lost(lot.count)
        self.waiting.append(Stray(lot, items))
        self.waiting.sort(key=Stray.order)

    def hand_on(self, send: Callable[[Stray], int]) -> bool:
        """`send` takes leading elements and says how many; the others wait, and what is behind in the same lane (of those without
        one: all). Returns whether any went."""
        waiting, self.waiting = self.waiting, []
        kept: list[Stray] = []
        closed: set[Lane | None] = set()
        went = False
        for stray in waiting:
            lot = stray.lot
            n = 0 if lot.lane in closed else send(stray)
            went |= n > 0
            if n < lot.count:
                closed.add(lot.lane)
                kept.append(Stray(lot.part(n, lot.count - n), stray.items[n:]) if n else stray)
        if self.waiting:  # a consumer was disconnected meanwhile
            kept = sorted(kept + self.waiting, key=Stray.order)
        self.waiting = kept
        return went

    def give_up(self, outcome: Outcome) -> int:
        """All have this outcome; returns how many they were."""
        gone, self.waiting = self.waiting, []
        for stray in gone:
            stray.vote(outcome)
        return sum(stray.lot.count for stray in gone)

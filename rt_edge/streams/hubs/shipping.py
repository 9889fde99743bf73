"""Shipping: what becomes of receipts in a hub; the part of `Hub` that keeps account of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from rt_edge.data.chunk import Chunk
from rt_edge.data.receipt import Dropped, Failed, Origin
from rt_edge.streams.hubs.deliveries import Lot, Post, Shipment
from rt_edge.streams.hubs.ports import LEFT, Port
from rt_edge.streams.hubs.strays import Stray, Strays


class Shipping:
    """Base of `Hub`. Everything here is called with the hub's lock held, and calls nobody.

    Args:
        unsettled: elements with receipts that are taken and have no outcome, at most.

    Attributes:
        counters: those of the hub.
    """

    def __init__(self, unsettled: int) -> None:
        self.unsettled = unsettled
        self.counters: Counter[str] = Counter()
        self._producers: list[Port] = []
        self._consumers: list[Port] = []
        self._open = 0  # elements with receipts that were taken and have not come back
        self._shipped = 0
        self._ringing: list[Post] = []  # to be told of outcomes
        self._freed = False  # producers may have waited for what is out no more
        self._stray = Strays()

    def _strays(self, lot: Lot) -> bool:
        """Whether another consumer gets what one had that is gone."""
        return False

    def note_lost(self, origin: Origin) -> None:
        """Elements of this lap died with a consumer, and come again in a later one."""

    def _holds_back(self) -> bool:
        """Whether nothing new is taken, since it would overtake what a consumer had that is gone."""
        return bool(self._stray.waiting)

    def _send_stray(self, stray: Stray, now: float | None) -> int:
        """Hand on leading elements of what another consumer had; returns how many."""
        raise NotImplementedError

    def _ship(self, producer: Port, chunk: Chunk | None, first: int, n: int, branches: int, keep: bool = False) -> Lot | None:
        """`n` elements of `chunk`, from place `first` on, are taken for so many consumers; `keep`: another one may get them."""
        if chunk is None or chunk.receipt is None or chunk.marks is None or producer.post is None:
            return None
        whole = n == len(chunk.marks)
        marks = chunk.marks if whole else chunk.marks[first : first + n]
        items = () if not keep else chunk.items if whole else chunk.items[first : first + n]
        self._shipped += 1
        self._open += n
        shipment = Shipment(producer.post, chunk.receipt, marks, items, branches, self._shipped)
        producer.post.sent(shipment)
        return Lot(shipment, 0, n)

    def _refuse(self, producer: Port, chunk: Chunk | None, first: int, n: int, reason: str) -> None:
        """These are for nobody, counted."""
        self.counters[f"dropped_{reason}"] += n
        lot = self._ship(producer, chunk, first, n, 1)
        if lot is not None:
            lot.vote(Dropped(reason))

    def call(self, post: Post) -> None:
        """It has outcomes to report."""
        if not post.called:
            post.called = True
            self._ringing.append(post)

    def count_back(self, n: int) -> None:
        """So many elements are out no more: their outcome was reported, or is for nobody."""
        self._freed |= self._open >= self.unsettled
        self._open -= n

    def _rung(self) -> list[Callable[[], None]]:
        """Whom to call, without the lock: posts that have outcomes, and producers for which there is room again."""
        calls = [post.ring for post in self._ringing]
        self._ringing = []
        if self._freed:
            self._freed = False
            calls += self._told(self._producers)
        return calls

    def _trim(self, lot: Lot | None, n: int) -> None:
        """Of what was shipped, only the first `n` were taken."""
        if lot is not None and lot.shipment is not None and n < lot.count:
            self._open -= lot.count - n
            lot.shipment.trim(n)

    def _move_strays(self, consumer: Port) -> None:
        """What waits for a consumer that goes is for others now, where it may."""
        queue = consumer.queue
        lots = list(consumer.lots) or [Lot(None, 0, len(queue))]
        if not queue or not any(map(self._strays, lots)):
            return
        consumer.lots.clear()
        for lot in lots:
            items = [queue.popleft() for _ in range(lot.count)]
            if self._strays(lot):
                self.counters["handed_on"] += lot.count
                self._stray.add(lot, items)
            else:
                queue.extend(items)
                consumer.lots.append(lot)

    def _hand_on(self, now: float | None) -> list[Callable[[], None]]:
        """Give what consumers had that are gone to others, as far as these have room; returns who is to be woken."""
        went = self._stray.hand_on(lambda stray: self._send_stray(stray, now))
        return self._told([*self._consumers, *self._producers]) if went else []

    def _give_up_strays(self, error: BaseException | None) -> None:
        """There is nobody left who could get them."""
        n = self._stray.give_up(Dropped(LEFT) if error is None else Failed(error))
        self.counters[f"dropped_{LEFT}"] += n

    @staticmethod
    def _told(ports: Sequence[Port]) -> list[Callable[[], None]]:
        """Wake-ups for those who were not told since they looked last."""
        fresh = [port for port in ports if not port.told]
        for port in fresh:
            port.told = True
        return [port.wake for port in fresh]

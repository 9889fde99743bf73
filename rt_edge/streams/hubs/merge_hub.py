"""MergeHub: many producers that come and go, one consumer."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from rt_edge.data.chunk import Chunk
from rt_edge.data.receipt import Dropped, Failed
from rt_edge.streams.hubs.hub import PRODUCERS_MOST, UNSETTLED, Hub
from rt_edge.streams.hubs.parcels import parcel
from rt_edge.streams.hubs.ports import LEFT, WINDOW, Port, SlowConsumer

PER_PRODUCER = 16
"""Elements of one producer that may wait."""


class MergeHub(Hub):
    """The elements of all producers in the order in which they came. A producer's end or failure does not end the others.

    An element has the outcome that the consumer gives it. The hub completes by `drain_and_complete` alone. When its consumer
    leaves, producers are cancelled; with `keep_open` they wait for the next one, and so does what is in the hub.

    Args:
        buffer: elements of one producer that may wait: its credit, whatever the others do.
        slow: what happens when the consumer is slow: who has filled its buffer waits, or its elements are dropped, or the
            consumer is disconnected.
        keep_open: see above.
        window: elements that the consumer may have and not have settled.
        unsettled: elements that the hub has taken and whose outcome is not known, at most.
    """

    producers_most = PRODUCERS_MOST
    consumers_most = 1

    def __init__(
        self,
        buffer: int = PER_PRODUCER,
        slow: SlowConsumer | None = None,
        keep_open: bool = False,
        window: int = WINDOW,
        unsettled: int = UNSETTLED,
    ) -> None:
        super().__init__(buffer, slow, 1, keep_open, window, unsettled)
        self._ready: deque[Port] = deque(maxlen=2 * PRODUCERS_MOST)  # those who have something, the longest waiting first

    def _room(self, producer: Port) -> int:
        producer.slow = self._slow
        return producer.room()

    def _give(self, producer: Port, items: Sequence[Any], now: float, chunk: Chunk | None) -> int:
        producer.slow = self._policy()
        n = min(len(items), producer.room()) if producer.slow.overflow == "backpressure" else len(items)
        if n:
            if not producer.queue:
                self._ready.append(producer)
            producer.put(items[:n], now, self._ship(producer, chunk, 0, n, 1))
            if producer.error is not None:  # overflow under `fail`: of the consumer, not of this producer
                self._fail_consumer(producer)
        return n

    def _policy(self) -> SlowConsumer:
        return self._consumers[0].slow if self._consumers else self._slow

    def _fail_consumer(self, producer: Port) -> None:
        error, producer.error, producer.ended = producer.error, None, False
        self.counters["dropped_overflow"] += producer.counters.pop("dropped_overflow", 0)
        for consumer in list(self._consumers):
            consumer.error = error
            self._disconnect(consumer)

    def _observe(self, now: float) -> None:
        for consumer in self._consumers:
            if consumer.full_since is None and any(len(port.queue) >= port.size for port in self._ready):
                consumer.full_since = now

    def _get(self, consumer: Port, n: int) -> list[Any]:
        items: list[Any] = []
        while self._ready and len(items) < n:
            producer = self._ready.popleft()
            items += producer.take(n - len(items))
            if producer.queue:
                self._ready.append(producer)
        if items:
            consumer.full_since = None
            consumer.counters["passed"] += len(items)
        return items

    def _collect(self, consumer: Port, n: int) -> Chunk | None:
        items: list[Any] = []
        chunk: Chunk | None = None
        ready = self._ready
        while ready and len(items) < n and chunk is None:
            producer = ready[0]
            if not producer.lots:
                items += producer.take(n - len(items))
            elif items:
                break
            else:
                chunk = parcel(self, producer, consumer, n)
                if chunk is None:
                    return None
            ready.popleft()
            if producer.queue:
                ready.append(producer)
        if items:
            chunk = Chunk(items)
        if chunk is not None:
            consumer.full_since = None
            consumer.counters["passed"] += len(chunk)
        return chunk

    def residue(self, consumer: Port) -> list[Chunk]:
        """What waits; with `keep_open` it is for the next consumer."""
        return [] if self._keep_open else super().residue(consumer)

    def _is_drained(self, consumer: Port) -> bool:
        return not self._ready or consumer not in self._consumers

    def _nothing_left(self) -> bool:
        return not self._ready

    def _producer_left(self, producer: Port, error: BaseException | None) -> None:
        if error is not None:
            self.counters["failed_producers"] += 1
        for reason, n in producer.counters.items():
            if reason.startswith("dropped_"):
                self.counters[reason] += n

    def _consumer_left(self, consumer: Port, error: BaseException | None) -> None:
        if not self._keep_open:
            outcome = Dropped(LEFT) if error is None else Failed(error)
            for producer in self._ready:
                self.counters[f"dropped_{LEFT}"] += len(producer.queue)
                producer.discard(len(producer.queue), outcome)
            self._ready.clear()
            self._close(None)

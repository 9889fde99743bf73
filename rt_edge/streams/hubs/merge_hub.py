"""MergeHub: many producers that come and go, one consumer."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from rt_edge.streams.hubs.hub import PRODUCERS_MOST, Hub
from rt_edge.streams.hubs.ports import Port, SlowConsumer

PER_PRODUCER = 16
"""Elements of one producer that may wait."""


class MergeHub(Hub):
    """The elements of all producers in the order in which they came. A producer's end or failure does not end the others.

    It completes by `drain_and_complete` alone. When its consumer leaves, producers are cancelled; with `keep_open` they wait for
    the next one.

    Args:
        buffer: elements of one producer that may wait: its credit, whatever the others do.
        slow: what happens when the consumer is slow: who has filled its buffer waits, or its elements are dropped, or the
            consumer is disconnected.
        keep_open: see above.
    """

    producers_most = PRODUCERS_MOST
    consumers_most = 1

    def __init__(self, buffer: int = PER_PRODUCER, slow: SlowConsumer | None = None, keep_open: bool = False) -> None:
        super().__init__(buffer, slow, 1, keep_open)
        self._ready: deque[Port] = deque(maxlen=2 * PRODUCERS_MOST)  # those who have something, the longest waiting first

    def _room(self, producer: Port) -> int:
        producer.slow = self._slow
        return producer.room()

    def _give(self, producer: Port, items: Sequence[Any], now: float) -> int:
        producer.slow = self._policy()
        n = min(len(items), producer.room()) if producer.slow.overflow == "backpressure" else len(items)
        if n:
            if not producer.queue:
                self._ready.append(producer)
            producer.put(items[:n], now)
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

    def _consumer_left(self, consumer: Port) -> None:
        if not self._keep_open:
            for producer in self._ready:
                self.counters["dropped_consumer_left"] += len(producer.queue)
                producer.queue.clear()
            self._ready.clear()
            self._close(None)

"""Hub: what all hubs have in common: who is there, who is woken, who is too slow, and the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

from rt_edge.data.errors import ConfigError, RefusedError, StreamError
from rt_edge.streams.hubs.ports import LEFT, Disconnected, Port, SlowConsumer

BUFFER = 256
"""Elements that may wait for one consumer."""

CONSUMERS_MOST = 1024
PRODUCERS_MOST = 1024


class Hub:
    """Base of hubs. Everything here may be called from any thread; nobody is called while the lock is held.

    Args:
        buffer: elements that may wait for one consumer.
        slow: what happens to consumers that are slow, if they do not say so themselves.
        start_after: nothing is taken before so many consumers have been there at once.
        keep_open: when the last producer has ended (merge hub: the consumer), the others stay and wait for another one.

    Attributes:
        counters: `passed_in`, `disconnected`, `dropped_<reason>` of ports that are gone.
    """

    producers_most = 1
    consumers_most = CONSUMERS_MOST

    def __init__(
        self, buffer: int = BUFFER, slow: SlowConsumer | None = None, start_after: int = 1, keep_open: bool = False
    ) -> None:
        if buffer < 1 or not 0 <= start_after <= CONSUMERS_MOST:
            raise ConfigError(f"buffer is {buffer} and start_after {start_after}: at least 1, and 0 to {CONSUMERS_MOST}")
        self.buffer = buffer
        self.counters: Counter[str] = Counter()
        self._slow = slow or SlowConsumer()
        self._start_after = start_after
        self._keep_open = keep_open
        self._lock = Lock()
        self._producers: list[Port] = []
        self._consumers: list[Port] = []
        self._started = start_after == 0
        self._closed = False
        self._error: BaseException | None = None
        self._number = 0
        self._gone: list[Port] = []  # disconnected, and not told so far

    # -- what hubs differ in; called with the lock held ----------------------------------------------------------------

    def _room(self, producer: Port) -> int:
        """Elements that `producer` may bring now, about."""
        raise NotImplementedError

    def _give(self, producer: Port, items: Sequence[Any], now: float) -> int:
        """Take leading `items` from `producer`; returns how many."""
        raise NotImplementedError

    def _get(self, consumer: Port, n: int) -> list[Any]:
        """Up to `n` elements for `consumer`."""
        return consumer.take(n)

    def _producer_left(self, producer: Port, error: BaseException | None) -> None:
        """`producer` is gone from the list: by default that is the end of all consumers, too."""
        if error is not None:
            self.counters["failed_producers"] += 1
        if not self._keep_open:
            self._close(error)

    def _consumer_left(self, consumer: Port) -> None:
        """`consumer` is gone from the list."""

    def _observe(self, now: float) -> None:
        """Note which consumers hold up others, where `Port.put` does not see it."""

    def _is_drained(self, consumer: Port) -> bool:
        """Whether nothing more can come for it."""
        return not consumer.queue

    # -- for producers -------------------------------------------------------------------------------------------------

    def enter(self, wake: Callable[[], None], name: str = "") -> Port:
        """A producer comes.

        Raises:
            RefusedError: the hub has ended, or has as many producers as it can have.
        """
        with self._lock:
            if self._closed:
                raise RefusedError("the hub has ended")
            if len(self._producers) >= self.producers_most:
                raise RefusedError(f"the hub has {len(self._producers)} producers already", "put a MergeHub in front of it")
            port = Port(self._name(name, "producer"), wake, self.buffer, SlowConsumer())
            self._producers.append(port)
            return port

    def exit(self, producer: Port, error: BaseException | None = None) -> None:
        """A producer goes: it has ended (`error` None) or failed. What it brought stays; a second call does nothing."""
        with self._lock:
            if producer not in self._producers:
                return
            self._producers.remove(producer)
            producer.ended = True
            self._producer_left(producer, error)
            woken = self._told(self._consumers)
        _wake(woken)

    def room(self, producer: Port) -> int:
        """How many elements are worth asking for, at most. The producer is woken when that may have changed."""
        with self._lock:
            producer.told = False
            return self._room(producer) if self._started and not producer.ended else 0

    def offer(self, producer: Port, items: Sequence[Any], now: float) -> int:
        """Take leading `items`; returns how many. The rest is to be offered again when the producer is woken."""
        with self._lock:
            producer.told = False
            if producer.ended or not self._started:
                return 0
            taken = self._give(producer, items, now)
            self.counters["passed_in"] += taken
            producer.counters["passed"] += taken
            gone, self._gone = self._gone, []
            woken = self._told([*self._consumers, *gone]) if taken or gone else []
        _wake(woken)
        return taken

    # -- for consumers -------------------------------------------------------------------------------------------------

    def join(self, wake: Callable[[], None], slow: SlowConsumer | None = None, name: str = "") -> Port:
        """A consumer comes; it gets what comes from now on. A hub that has ended gives it the end.

        Raises:
            RefusedError: there are as many consumers as there can be.
        """
        with self._lock:
            port = Port(self._name(name, "consumer"), wake, self.buffer, slow or self._slow)
            if self._closed and self._nothing_left():
                port.end(self._error)
                return port
            if len(self._consumers) >= self.consumers_most:
                raise RefusedError(f"the hub has {len(self._consumers)} consumers already")
            self._consumers.append(port)
            if len(self._consumers) >= self._start_after:
                self._started = True
            woken = self._told(self._producers)
        _wake(woken)
        return port

    def leave(self, consumer: Port) -> None:
        """A consumer goes; what waits for it is dropped, counted. A second call does nothing."""
        with self._lock:
            if consumer not in self._consumers:
                return
            self._remove(consumer)
            woken = self._told([*self._producers, *self._consumers])
        _wake(woken)

    def take(self, consumer: Port, n: int) -> list[Any]:
        """Up to `n` elements; `is_over` says whether the end has come. The consumer is woken when there are more."""
        with self._lock:
            consumer.told = False
            items = self._get(consumer, n) if n > 0 else []
            woken = self._told(self._producers) if items else []
        _wake(woken)
        return items

    def is_over(self, consumer: Port) -> bool:
        """Whether nothing more will come for `consumer`; `error` of the port says why."""
        with self._lock:
            return consumer.ended and (consumer.error is not None or self._is_drained(consumer))

    # -- for whoever has the hub ---------------------------------------------------------------------------------------

    def drain_and_complete(self) -> None:
        """Producers are cancelled and no more come; consumers get what is here, and complete."""
        self._stop(None)

    def fail(self, error: BaseException) -> None:
        """Producers are cancelled and no more come; consumers fail with `error`."""
        self._stop(error)

    def expire(self, now: float) -> float | None:
        """Disconnect consumers that have held up the others for too long; returns when there is to be looked again."""
        with self._lock:
            self._observe(now)
            late = [c for c in self._consumers if (due := _due(c)) is not None and due <= now]
            for consumer in late:
                within = consumer.slow.within
                consumer.error = Disconnected(f"{consumer.name} took nothing for {within:g} s, and held up the others")
                self._disconnect(consumer)
            nearest = min((due for c in self._consumers if (due := _due(c)) is not None), default=None)
            gone, self._gone = self._gone, []
            woken = self._told([*self._producers, *gone]) if gone else []
        _wake(woken)
        return nearest

    @property
    def producers(self) -> int:
        """How many there are."""
        return len(self._producers)

    @property
    def consumers(self) -> tuple[tuple[str, int, dict[str, int]], ...]:
        """Name, elements that wait, and counters of each consumer."""
        with self._lock:
            return tuple((port.name, len(port.queue), dict(port.counters)) for port in self._consumers)

    # -- inside, with the lock held ------------------------------------------------------------------------------------

    def _close(self, error: BaseException | None) -> None:
        if self._closed:
            return
        self._closed, self._error = True, error
        for port in [*self._producers, *self._consumers]:
            port.ended = True
            port.error = port.error or error

    def _stop(self, error: BaseException | None) -> None:
        with self._lock:
            self._close(error)
            woken = self._told([*self._producers, *self._consumers])
        _wake(woken)

    def _disconnect(self, consumer: Port) -> None:
        """Away with one that is too slow; its `error` says why."""
        self.counters["disconnected"] += 1
        self._remove(consumer)
        self._gone.append(consumer)

    def _remove(self, consumer: Port) -> None:
        self._consumers.remove(consumer)
        consumer.end(consumer.error, LEFT)
        for reason, n in consumer.counters.items():
            if reason.startswith("dropped_"):
                self.counters[reason] += n
        self._consumer_left(consumer)

    def _nothing_left(self) -> bool:
        return True

    def _name(self, name: str, kind: str) -> str:
        self._number += 1
        return f"{name or kind}-{self._number}"

    @staticmethod
    def _told(ports: Sequence[Port]) -> list[Callable[[], None]]:
        """Wake-ups for those who were not told since they looked last."""
        fresh = [port for port in ports if not port.told]
        for port in fresh:
            port.told = True
        return [port.wake for port in fresh]


def stopped(error: BaseException | None) -> BaseException:
    """What consumers hear of a producer that was stopped, or failed with `error`."""
    return error or StreamError("the producer of the hub was stopped")


def _due(consumer: Port) -> float | None:
    within, since = consumer.slow.within, consumer.full_since
    return None if within is None or since is None else since + within


def _wake(woken: Sequence[Callable[[], None]]) -> None:
    for wake in woken:
        wake()

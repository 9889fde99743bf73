"""Hub: what all hubs have in common: who is there, who is woken, who is too slow, whose receipts are where, and the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.data.errors import ConfigError, RefusedError, StreamError
from rt_edge.data.receipt import Failed, Outcome
from rt_edge.streams.hubs.deliveries import TRIES, Lot, Post
from rt_edge.streams.hubs.parcels import parcel
from rt_edge.streams.hubs.ports import LEFT, WINDOW, Disconnected, Port, SlowConsumer
from rt_edge.streams.hubs.shipping import Shipping

if TYPE_CHECKING:
    from rt_edge.streams.host import Host

BUFFER = 256
"""Elements that may wait for one consumer."""

CONSUMERS_MOST = 1024
PRODUCERS_MOST = 1024

UNSETTLED = 16_384
"""Elements that a hub has taken and whose outcome is not known, at most."""

Unattended = Literal["backpressure", "drop"]
UNATTENDED = "no_consumer"
"""The reason of what came while nobody consumed."""


class Hub(Shipping):
    """Base of hubs. Everything here may be called from any thread; nobody is called while the lock is held.

    What is handed in with a receipt is settled by the consumers: see `rt_edge.streams.hubs.deliveries`.

    Args:
        buffer: elements that may wait for one consumer.
        slow: what happens to consumers that are slow, if they do not say so themselves.
        start_after: nothing is taken before so many consumers have been there at once.
        keep_open: when the last producer has ended (merge hub: the consumer), the others stay and wait for another one.
        window: elements that one consumer may have and not have settled; beyond, they wait in its buffer.
        unsettled: elements that the hub has taken and whose outcome is not known, at most; beyond, producers wait.
        unattended: what happens while nobody consumes, for hubs of one producer: backpressure; or drop, for the reason
            `no_consumer`.

    Attributes:
        counters: `passed_in`, `disconnected`, `dropped_<reason>` of ports that are gone.
    """

    producers_most = 1
    consumers_most = CONSUMERS_MOST

    def __init__(
        self,
        buffer: int = BUFFER,
        slow: SlowConsumer | None = None,
        start_after: int = 1,
        keep_open: bool = False,
        window: int = WINDOW,
        unsettled: int = UNSETTLED,
        unattended: Unattended = "backpressure",
    ) -> None:
        if buffer < 1 or not 0 <= start_after <= CONSUMERS_MOST:
            raise ConfigError(f"buffer is {buffer} and start_after {start_after}: at least 1, and 0 to {CONSUMERS_MOST}")
        if window < 1 or unsettled < 1:
            raise ConfigError(f"window is {window} and unsettled {unsettled}: both have to be at least 1")
        super().__init__(unsettled)
        self.buffer = buffer
        self.window = window
        self._slow = slow or SlowConsumer()
        self._start_after = start_after
        self._keep_open = keep_open
        self._lock = Lock()
        self._drops = unattended == "drop"
        self._started = start_after == 0 or (self._drops and start_after == 1)
        self._closed = False
        self._error: BaseException | None = None
        self._number = 0
        self._gone: list[Port] = []  # disconnected, and not told so far
        self._timed = 0  # consumers that may be too slow for too long

    # -- what hubs differ in; called with the lock held ----------------------------------------------------------------

    def _room(self, producer: Port) -> int:
        """Elements that `producer` may bring now, about."""
        raise NotImplementedError

    def _give(self, producer: Port, items: Sequence[Any], now: float, chunk: Chunk | None) -> int:
        """Take leading `items` from `producer`, whose receipts are in `chunk`; returns how many."""
        raise NotImplementedError

    def _get(self, consumer: Port, n: int) -> list[Any]:
        """Up to `n` elements for `consumer`, whose receipts nobody wants."""
        return consumer.take(n)

    def _collect(self, consumer: Port, n: int) -> Chunk | None:
        """Up to `n` elements for `consumer`, as far as they have one receipt."""
        if consumer.lots:
            return parcel(self, consumer, consumer, n)
        items = consumer.take(n)
        return Chunk(items) if items else None

    def _producer_left(self, producer: Port, error: BaseException | None) -> None:
        """`producer` is gone from the list: by default that is the end of all consumers, too."""
        if error is not None:
            self.counters["failed_producers"] += 1
        if not self._keep_open:
            self._close(error)

    def _consumer_left(self, consumer: Port, error: BaseException | None) -> None:
        """`consumer` is gone from the list, of its own will or because it failed."""

    def _observe(self, now: float) -> None:
        """Note which consumers hold up others, where `Port.put` does not see it."""

    def _is_drained(self, consumer: Port) -> bool:
        """Whether nothing more can come for it."""
        return not consumer.queue and not self._stray

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
            posts = self._rung()
        _wake(woken, posts)

    def room(self, producer: Port) -> int:
        """How many elements are worth asking for, at most. The producer is woken when that may have changed."""
        with self._lock:
            producer.told = False
            if producer.ended or not self._started or self._holds_back():
                return 0
            return min(self._room(producer), self.unsettled - self._open)

    def offer(self, producer: Port, items: Sequence[Any], now: float, chunk: Chunk | None = None) -> int:
        """Take leading `items`; returns how many. The rest is to be offered again when the producer is woken.

        Args:
            producer: who offers; with receipts it has a `post`.
            items: what.
            now: monotonic time.
            chunk: has the receipt of `items`; None: they have none, or it was settled.
        """
        with self._lock:
            producer.told = False
            woken = self._hand_on(now) if self._stray else []
            if chunk is not None and len(items) > self.unsettled - self._open:
                items = items[: self.unsettled - self._open]
            ready = items and self._started and not (producer.ended or self._holds_back())
            taken = self._give(producer, items, now, chunk) if ready else 0
            self.counters["passed_in"] += taken
            producer.counters["passed"] += taken
            gone, self._gone = self._gone, []
            if taken or gone:
                woken += self._told([*self._consumers, *gone])
            posts = self._rung()
        _wake(woken, posts)
        return taken

    def mail(self, producer: Port, host: Host, back: Callable[[], None]) -> Post:
        """Where outcomes of what `producer` hands in go: into the thread in which this is called."""
        producer.post = Post(self, host, back)
        return producer.post

    # -- for consumers -------------------------------------------------------------------------------------------------

    def join(self, wake: Callable[[], None], slow: SlowConsumer | None = None, name: str = "") -> Port:
        """A consumer comes; it gets what comes from now on. A hub that has ended gives it the end.

        Raises:
            RefusedError: there are as many consumers as there can be.
        """
        with self._lock:
            label = self._label(name or "consumer")
            port = Port(self._name(name, "consumer"), wake, self.buffer, slow or self._slow, self.window, label)
            if self._closed and self._nothing_left():
                port.end(self._error)
                return port
            if len(self._consumers) >= self.consumers_most:
                raise RefusedError(f"the hub has {len(self._consumers)} consumers already")
            self._consumers.append(port)
            self._timed += port.slow.within is not None
            if len(self._consumers) >= self._start_after:
                self._started = True
            woken = self._told(self._producers)
        _wake(woken)
        return port

    def leave(self, consumer: Port, error: BaseException | None = None) -> None:
        """A consumer goes; a second call does nothing.

        What waits for it goes to another one, where it is for one of several. Else it is dropped, counted, if the consumer goes
        because it wants no more; if it fails with `error`, it fails, and its origin emits it again. What it has taken has the
        outcome that it gives it.
        """
        with self._lock:
            if consumer not in self._consumers:
                return
            self._remove(consumer, error)
            woken = self._told([*self._producers, *self._consumers])
            posts = self._rung()
        _wake(woken, posts)

    def take(self, consumer: Port, n: int) -> list[Any]:
        """Up to `n` elements without their receipts: they are stored with this. See `collect`."""
        with self._lock:
            consumer.told = False
            items = self._get(consumer, n) if n > 0 else []
            woken = self._told(self._producers) if items else []
            posts = self._rung()
        _wake(woken, posts)
        return items

    def collect(self, consumer: Port, n: int) -> Chunk | None:
        """Up to `n` elements with a receipt, if they had one; `is_over` says whether the end has come. The consumer is woken when
        there are more, or when it has settled some of those that it has."""
        with self._lock:
            consumer.told = False
            woken = self._hand_on(None) if self._stray else []
            chunk = self._collect(consumer, n) if n > 0 else None
            if chunk is not None:
                woken += self._told(self._producers)
        for wake in woken:
            wake()
        return chunk

    def settled(self, consumer: Port, lots: Sequence[Lot], outcome: Outcome) -> None:
        """What a consumer had got has an outcome. What one that is gone has failed goes to another, where it may."""
        with self._lock:
            full = consumer.out >= consumer.window
            gone = consumer.ended and isinstance(outcome, Failed)
            for lot in lots:
                consumer.out -= lot.count
                if gone and lot.tries < TRIES and self._strays(lot):
                    self.counters["handed_on"] += lot.count
                    self._stray.add(lot.again())
                else:
                    lot.vote(outcome)
            woken = self._told([consumer]) if full and not consumer.ended else []
            if self._stray or consumer.ended:
                woken += self._told([*self._producers, *self._consumers])
            posts = self._rung()
        _wake(woken, posts)

    def delivered(self, n: int) -> None:
        """So many outcomes were reported to a producer: only then is there room for others, or they would pile up on the way."""
        with self._lock:
            self.count_back(n)
            woken = self._rung()
        _wake(woken)

    def residue(self, consumer: Port) -> list[Chunk]:
        """What waits for a consumer that is taken out of its graph, if it is for nobody else."""
        found = []
        with self._lock:
            consumer.window = consumer.out + self.buffer + CHUNK_ELEMENTS
            while (chunk := self._collect(consumer, CHUNK_ELEMENTS)) is not None:
                found.append(chunk)
        return found

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
        if not self._timed and not self._stray:
            return None
        with self._lock:
            woken = self._hand_on(now) if self._stray else []
            self._observe(now)
            late = [c for c in self._consumers if (due := _due(c)) is not None and due <= now]
            for consumer in late:
                within = consumer.slow.within
                consumer.error = Disconnected(f"{consumer.name} took nothing for {within:g} s, and held up the others")
                self._disconnect(consumer)
            nearest = min((due for c in self._consumers if (due := _due(c)) is not None), default=None)
            gone, self._gone = self._gone, []
            if gone:
                woken += self._told([*self._producers, *gone])
            posts = self._rung()
        _wake(woken, posts)
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
        if not self._consumers:
            self._give_up_strays(error)

    def _stop(self, error: BaseException | None) -> None:
        with self._lock:
            self._close(error)
            woken = self._told([*self._producers, *self._consumers])
            posts = self._rung()
        _wake(woken, posts)

    def _disconnect(self, consumer: Port) -> None:
        """Away with one that is too slow; its `error` says why."""
        self.counters["disconnected"] += 1
        self._remove(consumer)
        self._gone.append(consumer)

    def _remove(self, consumer: Port, error: BaseException | None = None) -> None:
        self._consumers.remove(consumer)
        self._timed -= consumer.slow.within is not None
        self._move_strays(consumer)
        consumer.end(consumer.error, LEFT, None if error is None else Failed(error))
        for reason, n in consumer.counters.items():
            if reason.startswith("dropped_"):
                self.counters[reason] += n
        self._consumer_left(consumer, error)
        if self._closed and not self._consumers:
            self._give_up_strays(error)

    def _nothing_left(self) -> bool:
        return True

    def _name(self, name: str, kind: str) -> str:
        self._number += 1
        return f"{name or kind}-{self._number}"

    def _label(self, name: str) -> str:
        """The first that is free: who comes again has the one that it had."""
        taken = {port.label for port in self._consumers}
        number = 1
        while f"{name}-{number}" in taken:
            number += 1
        return f"{name}-{number}"


def stopped(error: BaseException | None) -> BaseException:
    """What consumers hear of a producer that was stopped, or failed with `error`."""
    return error or StreamError("the producer of the hub was stopped")


def _due(consumer: Port) -> float | None:
    within, since = consumer.slow.within, consumer.full_since
    return None if within is None or since is None else since + within


def _wake(woken: Sequence[Callable[[], None]], posts: Sequence[Callable[[], None]] = ()) -> None:
    for wake in woken:
        wake()
    for ring in posts:
        ring()

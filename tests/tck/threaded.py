"""A publisher and a subscriber with threads of their own, that keep the rules: for the kit's time-outs."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from queue import Queue
from typing import Any
from weakref import WeakSet

from rt_edge.protocol.roles import Subscriber
from rt_edge.testkit.tck import ListPublisher
from rt_edge.testkit.tck.reference import ListSubscription


class Worker:
    """A thread that does one thing after the other; it ends with the last reference to its owner."""

    def __init__(self) -> None:
        self._work: Queue[Any] = Queue(100_000)
        threading.Thread(target=_run, args=(self._work,), daemon=True).start()

    def do(self, what: Any, *arguments: Any) -> None:
        self._work.put((what, arguments))

    def __del__(self) -> None:
        self._work.put(None)


def _run(work: Queue[Any]) -> None:
    while (task := work.get()) is not None:
        what, arguments = task
        what(*arguments)
        del task, what, arguments  # or they are held until the next one


class ThreadedPublisher:
    """A list, signalled by a thread for each subscriber."""

    def __init__(self, elements: int) -> None:
        self._inner = ListPublisher(range(elements))
        self._served: WeakSet[Any] = WeakSet()

    def subscribe(self, subscriber: Subscriber[Any]) -> None:
        if subscriber is None:
            raise TypeError("rule 1.9: the subscriber is None")
        if subscriber not in self._served:
            self._served.add(subscriber)
            Handed(self._inner, subscriber)


class Handed:
    """What a subscriber gets as its subscription: everything it says is done by a thread."""

    def __init__(self, publisher: ListPublisher, subscriber: Subscriber[Any]) -> None:
        self._worker = Worker()
        self._worker.do(publisher.subscribe, Forwarding(self, subscriber))

    inner: ListSubscription | None = None

    def request(self, n: int) -> None:
        if self.inner is not None:
            self._worker.do(self.inner.request, n)

    def cancel(self) -> None:
        inner = self.inner
        if inner is not None:
            inner.cancel()


class Forwarding:
    """The subscriber, as the list publisher sees it."""

    def __init__(self, handed: Handed, subscriber: Subscriber[Any]) -> None:
        self.handed, self.subscriber = handed, subscriber

    def on_subscribe(self, subscription: Any) -> None:
        self.handed.inner = subscription
        self.subscriber.on_subscribe(self.handed)

    def on_next(self, element: Any) -> None:
        self.subscriber.on_next(element)

    def on_error(self, error: BaseException) -> None:
        self.subscriber.on_error(error)

    def on_complete(self) -> None:
        self.subscriber.on_complete()


class ThreadedSubscriber:
    """Does its work in a thread of its own, and keeps its calls to the subscription serial by a lock, unless it is careless.

    Args:
        probe: told of everything, if there is one; else it asks by itself, one by one.
        careless: asks without the lock.
    """

    def __init__(self, probe: Any = None, careless: bool = False) -> None:
        self._probe = probe
        self._worker = Worker()
        self._guard: Any = nullcontext() if careless else threading.RLock()
        self._subscription: Any = None
        self._over = False

    def on_subscribe(self, subscription: Any) -> None:
        if subscription is None:
            raise TypeError("rule 2.13: the subscription is None")
        with self._guard:
            if self._subscription is not None:
                subscription.cancel()
                return
            self._subscription = subscription
        if self._probe is not None:
            self._probe.register_on_subscribe(self)
        self._worker.do(self.trigger_request, 1)

    def on_next(self, element: Any) -> None:
        if element is None:
            raise TypeError("rule 2.13: the element is None")
        self._worker.do(self._work, element)

    def _work(self, element: Any) -> None:
        if self._over:
            return
        if self._probe is not None:
            self._probe.register_on_next(element)
        self.trigger_request(1)

    def on_error(self, error: BaseException) -> None:
        if error is None:
            raise TypeError("rule 2.13: the error is None")
        self._end(lambda: self._probe.register_on_error(error))

    def on_complete(self) -> None:
        self._end(self._probe.register_on_complete if self._probe is not None else None)

    def _end(self, report: Any) -> None:
        with self._guard:
            over, self._over = self._over, True
        if self._probe is not None and not over:
            self._worker.do(report)

    def trigger_request(self, n: int) -> None:
        with self._guard:
            if not self._over:
                self._subscription.request(n)

    def signal_cancel(self) -> None:
        with self._guard:
            if not self._over:
                self._over = True
                self._subscription.cancel()

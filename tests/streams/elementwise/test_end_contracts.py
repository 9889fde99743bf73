"""from_publisher: what every source has to keep, in front of a publisher of the test's."""

from __future__ import annotations

from random import Random
from typing import Any

from rt_edge.protocol.roles import Subscriber
from rt_edge.streams.elementwise.inward import FromPublisher
from rt_edge.testkit.source_contract import FedSourceContract
from rt_edge.testkit.source_contract_feed import Feed


class Publishing:
    """Publisher and subscription: gives no more than was requested of it, when the test says."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.subscriber: Subscriber[Any] | None = None
        self.asked = 0

    def subscribe(self, subscriber: Subscriber[Any]) -> None:
        self.feed.opened += 1
        self.subscriber = subscriber
        subscriber.on_subscribe(self)

    def request(self, n: int) -> None:
        self.asked += n

    def cancel(self) -> None:
        if self.subscriber is not None:
            self._over()

    def give(self, random: Random) -> None:
        """Up to five elements, or the end."""
        if self.subscriber is not None:
            self.feed.push(self._next, self._complete, self._fail, random.randint(1, 5))

    def _next(self, item: Any) -> bool:
        if self.subscriber is None or not self.asked:
            return False
        self.subscriber.on_next(item)
        self.asked -= 1
        return True

    def _complete(self) -> None:
        subscriber = self._over()
        subscriber.on_complete()

    def _fail(self, error: BaseException) -> None:
        subscriber = self._over()
        subscriber.on_error(error)

    def _over(self) -> Subscriber[Any]:
        subscriber, self.subscriber = self.subscriber, None
        assert subscriber is not None
        self.feed.closed += 1
        return subscriber


class TestFromPublisher(FedSourceContract):
    lazy = False  # each run subscribes once, at its start; it requests what is wanted
    counts_errors = False
    none = "refused"
    again = "the publisher of this test has one subscriber"
    publisher: Publishing

    def make(self, feed: Feed) -> FromPublisher:
        self.publisher = Publishing(feed)
        return FromPublisher(publisher=self.publisher, window=16)

    def move(self, feed: Feed, random: Random) -> None:
        self.publisher.give(random)

"""from_publisher and from_subscriber: what every source and sink has to keep, beside those of the test."""

from __future__ import annotations

from random import Random
from typing import Any

from rt_edge.protocol.roles import Subscriber, Subscription
from rt_edge.streams.elementwise.inward import FromPublisher
from rt_edge.streams.elementwise.outward import ToSubscriber
from rt_edge.testkit.sink_contract import SinkContract
from rt_edge.testkit.sink_contract_run import Came
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


class Subscribing:
    """Requests a few elements when the test says, up to 16 at once."""

    def __init__(self) -> None:
        self.subscription: Subscription | None = None
        self.got: list[Any] = []
        self.ends: list[BaseException | None] = []
        self.asked = 0

    def on_subscribe(self, subscription: Subscription) -> None:
        self.subscription = subscription

    def on_next(self, element: Any) -> None:
        self.got.append(element)

    def on_error(self, error: BaseException) -> None:
        self.ends.append(error)

    def on_complete(self) -> None:
        self.ends.append(None)

    def ask(self, random: Random) -> None:
        n = random.randint(0, 16 - (self.asked - len(self.got)))
        if self.subscription is not None and n and not self.ends:
            self.asked += n
            self.subscription.request(n)


class TestToSubscriber(SinkContract):
    ahead = 16
    tells = False
    backpressures = True
    again = "the subscriber of this test has one subscription"
    subscriber: Subscribing

    def make(self, done: Came) -> ToSubscriber:
        self.subscriber = Subscribing()
        return ToSubscriber(subscriber=self.subscriber)

    def move(self, random: Random) -> None:
        self.subscriber.ask(random)

    def arrived(self) -> list[Any]:
        return self.subscriber.got

    def check_outside(self, error: BaseException | None) -> None:
        assert [type(end) for end in self.subscriber.ends] == [type(error)]

"""The two ends of hubs and of topics, and the two ends of publishers and subscribers: what every source and sink has to keep."""

from __future__ import annotations

from random import Random
from typing import Any

from rt_edge.streams.hubs.broadcast_hub import BroadcastHub
from rt_edge.streams.hubs.hub import Hub
from rt_edge.streams.hubs.merge_hub import MergeHub
from rt_edge.streams.hubs.ports import Port
from rt_edge.streams.hubs.stages import FromHub
from rt_edge.streams.pubsub.broker import Broker, Message
from rt_edge.streams.pubsub.stages import FromTopic
from rt_edge.testkit.source_contract import FedSourceContract
from rt_edge.testkit.source_contract_feed import Feed


def nothing() -> None:
    """Nobody is told."""


class TestFromHub(FedSourceContract):
    """One producer, by hand, into a broadcast hub."""

    ahead = 16
    again = "several runs are several consumers"
    behind = False  # a hub that fails disconnects its consumers at once
    counts_errors = False
    none = "elements of a hub come from streams, in which there is none"
    hub: Hub
    producer: Port

    def make_hub(self) -> Hub:
        return BroadcastHub(self.ahead)

    def make(self, feed: Feed) -> FromHub:
        self.hub = self.make_hub()
        self.producer = self.hub.enter(nothing)
        return FromHub(hub=self.hub)

    def move(self, feed: Feed, random: Random) -> None:
        feed.push(
            lambda x: self.heard() and self.hub.offer(self.producer, [self.wrap(x)], 0.0) == 1,
            self.hub.drain_and_complete,
            self.hub.fail,
            random.randint(1, 20),
        )

    def heard(self) -> bool:
        return bool(self.hub.consumers)  # what nobody listens to is nobody's

    def wrap(self, item: Any) -> Any:
        return item


class TestFromMergeHub(TestFromHub):
    def make_hub(self) -> Hub:
        return MergeHub(self.ahead)


class TestFromTopic(TestFromHub):
    def make(self, feed: Feed) -> FromTopic:  # type: ignore[override]
        self.hub = broker = Broker(self.ahead)
        self.producer = broker.enter(nothing)
        return FromTopic(broker=broker, topics="a/+")

    def wrap(self, item: Any) -> Any:
        return Message("a/b", item)

    def expected(self, items: list[Any]) -> list[Any]:
        return [Message("a/b", item) for item in items]

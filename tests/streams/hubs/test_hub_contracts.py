"""The two ends of hubs and of topics, and the two ends of publishers and subscribers: what every source and sink has to keep."""

from __future__ import annotations

from random import Random
from typing import Any

from rt_edge.streams.hubs.broadcast_hub import BroadcastHub
from rt_edge.streams.hubs.from_hub import FromHub
from rt_edge.streams.hubs.hub import Hub
from rt_edge.streams.hubs.merge_hub import MergeHub
from rt_edge.streams.hubs.ports import Port
from rt_edge.streams.hubs.to_hub import ToHub
from rt_edge.streams.pubsub.broker import Broker
from rt_edge.streams.pubsub.from_topic import FromTopic
from rt_edge.streams.pubsub.message import Message
from rt_edge.streams.pubsub.to_topic import ToTopic
from rt_edge.testkit.sink_contract import SinkContract, SinkSupervisionContract
from rt_edge.testkit.sink_contract_run import Came
from rt_edge.testkit.source_contract import FedSourceContract
from rt_edge.testkit.source_contract_feed import Feed
from rt_edge.testkit.stage_contract import OnError, raising


def nothing() -> None:
    """Nobody is told."""


class TestFromHub(FedSourceContract):
    """One producer, by hand, into a broadcast hub."""

    ahead = 16
    again = "several runs are several consumers"
    drops_elsewhere = "the hub, in its own counters"
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


class TestToHub(SinkContract):
    """One consumer, by hand, of a broadcast hub; it takes elements without their receipts, which stores them."""

    ahead = 16
    tells = False
    backpressures = True
    elsewhere = "what the hub has is its consumers'"
    again = "a broadcast hub has one producer"
    hub: Hub
    consumer: Port
    got: list[Any]

    def make(self, done: Came) -> ToHub:
        self.hub, self.got = BroadcastHub(self.ahead), []
        self.consumer = self.hub.join(nothing)
        return ToHub(hub=self.hub)

    def move(self, random: Random) -> None:
        self.got += self.hub.take(self.consumer, random.randint(0, 5))

    def arrived(self) -> list[Any]:
        return self.got

    def check_outside(self, error: BaseException | None) -> None:
        assert self.hub.producers == 0


class TestToMergeHub(TestToHub):
    again = True

    def make(self, done: Came) -> ToHub:
        self.hub, self.got = MergeHub(self.ahead), []
        self.consumer = self.hub.join(nothing)
        return ToHub(hub=self.hub)


class ToABroker(SinkContract):
    """One subscriber, by hand."""

    tells = False
    backpressures = True
    elsewhere = "what the broker has is its subscribers'"
    hub: Broker
    consumer: Port
    got: list[Any]

    def stage(self, topic: Any, on_error: OnError = "stop") -> ToTopic:
        self.hub, self.got = Broker(16), []
        self.consumer = self.hub.subscribe("a/+", nothing)
        return ToTopic(broker=self.hub, topic=topic, on_error=on_error)

    def move(self, random: Random) -> None:
        self.got += [message.payload for message in self.hub.take(self.consumer, random.randint(0, 5))]

    def arrived(self) -> list[Any]:
        return self.got

    def check_outside(self, error: BaseException | None) -> None:
        assert self.hub.producers == 0


class TestToTopic(ToABroker, SinkSupervisionContract):
    ahead = 32  # of what topics the elements will be is not known when they are asked for: as many may wait as the broker holds

    def make(self, done: Came) -> ToTopic:
        return self.stage(lambda x: "a/b")

    def make_failing(self, on_error: OnError, done: Came) -> ToTopic:
        return self.stage(raising(lambda x: "a/b"), on_error)


class TestToOneTopic(ToABroker):
    """With a topic for all, what is asked for is what its subscribers have room for."""

    ahead = 16

    def make(self, done: Came) -> ToTopic:
        return self.stage("a/b")

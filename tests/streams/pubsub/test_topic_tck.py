"""Topics pass the compatibility kit: subscriptions as publishers, publishing as a subscriber; turns cut at random places."""

from __future__ import annotations

from typing import Any

from rt_edge.protocol.roles import Publisher, Subscriber
from rt_edge.streams.dsl import Sink, SinkSubscriber, Source
from rt_edge.streams.pubsub.broker import Broker
from rt_edge.testkit.tck import PublisherVerification, SubscriberBlackboxVerification, names_of
from rt_edge.testkit.virtual_clock import VirtualClock, VirtualHost


class OnVirtualClock:
    """Everything under one virtual clock; what is optional has to hold, too."""

    strict = True
    stochastic_runs = 5

    def setup_method(self) -> None:
        self.clock = VirtualClock()

    def host(self) -> VirtualHost:
        return VirtualHost(self.clock, seed=7)

    def settle(self) -> None:
        VirtualHost(self.clock).advance(0.0)

    def step(self) -> bool:
        return self.clock.step()

    def create_element(self, index: int) -> Any:
        return index


class Published:
    """A subscription to a topic under which so many elements are published as soon as there are so many subscribers."""

    def __init__(self, elements: int, test: OnVirtualClock, subscribers: int = 1) -> None:
        self.broker = Broker(4)
        self._elements = elements
        self._test = test
        self._awaited = subscribers
        self._publisher: Publisher[Any] = Source.from_topic(self.broker, "t/+").as_publisher(test.host)

    def subscribe(self, subscriber: Subscriber[Any]) -> None:
        self._publisher.subscribe(subscriber)
        self._awaited -= 1
        if self._awaited:
            return
        running = Source.from_iterable(range(self._elements)).to(Sink.to_topic(self.broker, "t/1")).run(self._test.host())
        running.ended.on_done(lambda _: self.broker.drain_and_complete())


class TestTopicAsPublisher(OnVirtualClock, PublisherVerification):
    max_elements_from_publisher = 100_000
    max_supported_subscribers = 1  # several: TestTopicAsMulticast

    def create_publisher(self, elements: int) -> Publisher[Any]:
        return Published(elements, self)

    def create_failed_publisher(self) -> Publisher[Any]:
        broker = Broker()
        broker.fail(RuntimeError("a failed broker"))
        return Source.from_topic(broker, "#").as_publisher(self.host)


class TestTopicAsMulticast(OnVirtualClock, PublisherVerification):
    """Several subscribers, which get the same."""

    max_elements_from_publisher = 100_000
    max_supported_subscribers = 3
    declined = dict.fromkeys(
        (name for name in names_of(PublisherVerification) if "spec111" not in name), "TestTopicAsPublisher has it"
    )

    def setup_method(self, method: Any) -> None:  # type: ignore[override]
        super().setup_method()
        self.subscribers = 3 if "multicast" in method.__name__ else 2

    def create_publisher(self, elements: int) -> Publisher[Any]:
        return Published(elements, self, self.subscribers)


class TestTopicAsSubscriber(OnVirtualClock, SubscriberBlackboxVerification):
    def create_subscriber(self) -> Subscriber[Any]:
        broker = Broker()
        Source.from_topic(broker, "#").to(Sink.ignore()).run(self.host())
        return Sink.to_topic(broker, "t/1").as_subscriber(self.host(), 4)

    def stop(self, subscriber: Subscriber[Any]) -> None:
        assert isinstance(subscriber, SinkSubscriber)
        subscriber.stop()

"""Islands of the engine, under the whole kit test by test; `test_roster.py` has every stage."""

from __future__ import annotations

from typing import Any

from rt_edge.protocol.roles import Processor, Publisher, Subscriber
from rt_edge.streams.dsl import Flow, Sink, SinkSubscriber, Source
from rt_edge.testkit.tck import (
    IdentityProcessorAsSubscriberVerification,
    IdentityProcessorVerification,
    ListPublisher,
    PublisherVerification,
    SubscriberBlackboxVerification,
)
from rt_edge.testkit.virtual_clock import VirtualClock, VirtualHost


class Virtual:
    """Everything under one virtual clock; `seed` cuts the turns. Optional tests have to pass too."""

    seed: int | None = None
    strict = True

    def setup_method(self) -> None:
        self.clock = VirtualClock()

    def host(self) -> VirtualHost:
        return VirtualHost(self.clock, self.seed)

    def settle(self) -> None:
        VirtualHost(self.clock).settle()

    def step(self) -> bool:
        return self.clock.step()

    def check_idle(self) -> None:
        assert not self.clock.step(), "a timer is left"


class TestListPublisher(PublisherVerification):
    def create_publisher(self, elements: int) -> Publisher[Any]:
        return ListPublisher(range(elements))

    def create_failed_publisher(self) -> Publisher[Any]:
        return ListPublisher([], ValueError("a test"))

    def settle(self) -> None:
        """It signals from inside `request`: nothing is under way."""


class IslandPublisherTests(Virtual, PublisherVerification):
    def source(self, elements: int) -> Source:
        return Source.from_iterable(range(elements))

    def create_publisher(self, elements: int) -> Publisher[Any]:
        return self.source(elements).as_publisher(self.host)

    def create_failed_publisher(self) -> Publisher[Any]:
        return Source.failed(ValueError("a test")).as_publisher(self.host)


class TestIterable(IslandPublisherTests):
    pass


class TestIterableWithCutTurns(IslandPublisherTests):
    seed = 5


class TestMerge(IslandPublisherTests):
    def source(self, elements: int) -> Source:
        first = elements // 2
        return Source.from_iterable(range(first)).merge(Source.from_iterable(range(first, elements)))

    declined = {
        "test_optional_spec111_multicast_must_produce_the_same_elements_in_the_same_sequence_to_all_of_its_subscribers_"
        "when_requesting_one_by_one": "the order of a merge depends on the demand",
    }


class TestFromPublisherOfAnIsland(IslandPublisherTests):
    seed = 2

    def source(self, elements: int) -> Source:
        return Source.from_publisher(Source.from_iterable(range(elements)).as_publisher(self.host), window=2)


class ProcessorTests(Virtual, IdentityProcessorVerification):
    flow = Flow().map(lambda x: x)
    max_supported_subscribers = 1  # a run of an island has one outlet: it refuses others

    def create_identity_processor(self, buffer_size: int) -> Processor[Any, Any]:
        return self.flow.as_processor(self.host(), buffer_size)


class ProcessorAsSubscriberTests(Virtual, IdentityProcessorAsSubscriberVerification):
    flow = Flow().map(lambda x: x)

    def create_identity_processor(self, buffer_size: int) -> Processor[Any, Any]:
        return self.flow.as_processor(self.host())


class TestMapProcessor(ProcessorTests):
    pass


class TestMapProcessorAsSubscriber(ProcessorAsSubscriberTests):
    pass


class TestLongProcessor(ProcessorTests):
    flow = Flow().map(lambda x: x).grouped(1).map_concat(lambda x: x).filter(lambda x: True).buffer(2)
    seed = 1


class TestLongProcessorAsSubscriber(ProcessorAsSubscriberTests):
    flow = Flow().map(lambda x: x).grouped(1).map_concat(lambda x: x).filter(lambda x: True).buffer(2)
    seed = 1


class SinkTests(Virtual, SubscriberBlackboxVerification):
    sink = Sink.collect()

    def create_subscriber(self) -> Subscriber[Any]:
        return self.sink.as_subscriber(self.host())

    def stop(self, subscriber: Subscriber[Any]) -> None:
        assert isinstance(subscriber, SinkSubscriber)
        subscriber.stop()


class TestCollect(SinkTests):
    pass


class TestBroadcastOfSinks(SinkTests):
    sink = Flow().broadcast(Sink.ignore(), Sink.fold(0, lambda a, b: a + b))

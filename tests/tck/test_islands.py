"""Islands of the engine, and the kit's own plain publisher, pass the compatibility kit."""

from __future__ import annotations

from typing import Any

from rt_edge.protocol.roles import Processor, Publisher, Subscriber
from rt_edge.streams.dsl import Flow, Graph, Sink, SinkSubscriber, Source
from rt_edge.streams.stages.partition import Partition
from rt_edge.testkit.tck import (
    IdentityProcessorAsSubscriberVerification,
    IdentityProcessorVerification,
    ListPublisher,
    PublisherVerification,
    SubscriberBlackboxVerification,
)
from rt_edge.testkit.virtual_clock import VirtualClock, VirtualHost

LAZY = "what is dropped or expanded has to be asked for before it is known that nothing is left"
NOT_EMPTY = {"test_optional_spec105_empty_stream_completes_without_a_request": LAZY}


class Virtual:
    """Everything under one virtual clock; `seed` cuts the turns."""

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


class TestMap(IslandPublisherTests):
    def source(self, elements: int) -> Source:
        return super().source(elements).map(str)


class TestFilter(IslandPublisherTests):
    seed = 11

    def source(self, elements: int) -> Source:
        return Source.from_iterable(range(2 * elements)).filter(lambda n: n % 2)


class TestMapConcat(IslandPublisherTests):
    declined = NOT_EMPTY

    def source(self, elements: int) -> Source:
        return Source.single("all").map_concat(lambda _: range(elements))


class TestTake(IslandPublisherTests):
    def source(self, elements: int) -> Source:
        return Source.from_iterable(range(10_000)).take(elements)


class TestDrop(IslandPublisherTests):
    declined = NOT_EMPTY

    def source(self, elements: int) -> Source:
        return Source.from_iterable(range(elements + 1500)).drop(1500)


class TestGrouped(IslandPublisherTests):
    def source(self, elements: int) -> Source:
        return Source.from_iterable(range(3 * elements)).grouped(3)


class TestScan(IslandPublisherTests):
    declined = NOT_EMPTY

    def source(self, elements: int) -> Source:
        return Source.from_iterable(range(elements)).scan(0, lambda a, b: a + b).drop(1)


class TestBuffer(IslandPublisherTests):
    def source(self, elements: int) -> Source:
        return super().source(elements).buffer(8)


class TestMerge(IslandPublisherTests):
    def source(self, elements: int) -> Source:
        first = elements // 2
        return Source.from_iterable(range(first)).merge(Source.from_iterable(range(first, elements)))

    declined = {
        "test_optional_spec111_multicast_must_produce_the_same_elements_in_the_same_sequence_to_all_of_its_subscribers_"
        "when_requesting_one_by_one": "the order of a merge depends on the demand",
    }


class TestZip(IslandPublisherTests):
    seed = 3

    def source(self, elements: int) -> Source:
        return super().source(elements).zip(Source.from_iterable(range(elements)))


class TestBroadcast(IslandPublisherTests):
    seed = 8

    def source(self, elements: int) -> Source:
        return super().source(elements).also_to(Sink.ignore())


class TestPartition(IslandPublisherTests):
    declined = NOT_EMPTY

    def source(self, elements: int) -> Source:
        graph = Graph()
        split = graph.add(Partition(by=lambda n: n % 2, count=2))
        graph.connect(graph.add(Source.from_iterable(range(2 * elements))), split)
        graph.connect(split, graph.add(Sink.ignore()), outlet=1)
        return graph.as_source()


class TestThrottle(IslandPublisherTests):
    def source(self, elements: int) -> Source:
        return super().source(elements).throttle(1_000_000, burst=10_000)


class TestFromPublisher(IslandPublisherTests):
    def source(self, elements: int) -> Source:
        return Source.from_publisher(ListPublisher(range(elements)))

    def create_failed_publisher(self) -> Publisher[Any]:
        return Source.from_publisher(ListPublisher([], ValueError("a test"))).as_publisher(self.host)


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


class TestFilterProcessor(ProcessorTests):
    flow = Flow().filter(lambda x: x is not None)
    seed = 7


class TestFilterProcessorAsSubscriber(ProcessorAsSubscriberTests):
    flow = Flow().filter(lambda x: x is not None)
    seed = 7


class TestBufferProcessor(ProcessorTests):
    flow = Flow().buffer(4)


class TestBufferProcessorAsSubscriber(ProcessorAsSubscriberTests):
    flow = Flow().buffer(4)


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


class TestForEachBehindGrouped(SinkTests):
    sink = Flow().grouped(2).to(Sink.foreach(lambda x: None))
    seed = 4


class TestBroadcastOfSinks(SinkTests):
    sink = Flow().broadcast(Sink.ignore(), Sink.fold(0, lambda a, b: a + b))

"""Hubs pass the compatibility kit: their consumers as publishers, their producers as subscribers; turns cut at random places."""

from __future__ import annotations

from functools import partial
from typing import Any

from rt_edge.protocol.roles import Publisher, Subscriber
from rt_edge.streams.dsl import Sink, SinkSubscriber, Source
from rt_edge.streams.hubs.broadcast_hub import BroadcastHub
from rt_edge.streams.hubs.hub import Hub
from rt_edge.streams.hubs.merge_hub import MergeHub
from rt_edge.streams.hubs.partition_hub import PartitionHub
from rt_edge.testkit.tck import PublisherVerification, SubscriberBlackboxVerification, names_of
from rt_edge.testkit.virtual_clock import VirtualClock, VirtualHost


class OnVirtualClock:
    """Everything under one virtual clock; what is optional has to hold, too."""

    strict = True
    stochastic_runs = 5
    hub: Any

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


class AsPublisher(OnVirtualClock, PublisherVerification):
    __test__ = False
    max_elements_from_publisher = 100_000
    max_supported_subscribers = 1  # several: of a broadcast hub, below; of a partition hub each gets others

    def create_publisher(self, elements: int) -> Publisher[Any]:
        hub: Hub = self.hub()
        running = Source.from_iterable(range(elements)).to(Sink.to_hub(hub)).run(self.host())
        running.ended.on_done(lambda _: hub.drain_and_complete())  # a merge hub does not by itself: another may come
        return Source.from_hub(hub).as_publisher(self.host)

    def create_failed_publisher(self) -> Publisher[Any]:
        hub: Hub = self.hub()
        hub.fail(RuntimeError("a failed hub"))
        return Source.from_hub(hub).as_publisher(self.host)


class AsSubscriber(OnVirtualClock, SubscriberBlackboxVerification):
    __test__ = False

    def create_subscriber(self) -> Subscriber[Any]:
        hub: Hub = self.hub()
        Source.from_hub(hub).to(Sink.ignore()).run(self.host())
        return Sink.to_hub(hub).as_subscriber(self.host(), 4)

    def stop(self, subscriber: Subscriber[Any]) -> None:
        assert isinstance(subscriber, SinkSubscriber)
        subscriber.stop()


class TestBroadcastHubAsPublisher(AsPublisher):
    __test__ = True
    hub = BroadcastHub


class TestPartitionHubAsPublisher(AsPublisher):
    __test__ = True
    hub = PartitionHub


class TestMergeHubAsPublisher(AsPublisher):
    __test__ = True
    hub = MergeHub


class TestBroadcastHubAsMulticast(AsPublisher):
    """Several consumers, which get the same: the producer waits for all of them."""

    __test__ = True
    max_supported_subscribers = 3
    declined = dict.fromkeys(
        (name for name in names_of(PublisherVerification) if "spec111" not in name), "TestBroadcastHubAsPublisher has it"
    )

    def setup_method(self, method: Any) -> None:  # type: ignore[override]
        super().setup_method()
        self.hub = partial(BroadcastHub, start_after=3 if "multicast" in method.__name__ else 2)


class TestBroadcastHubAsSubscriber(AsSubscriber):
    __test__ = True
    hub = BroadcastHub


class TestPartitionHubAsSubscriber(AsSubscriber):
    __test__ = True
    hub = PartitionHub


class TestMergeHubAsSubscriber(AsSubscriber):
    __test__ = True
    hub = MergeHub

"""Hubs pass the compatibility kit: their consumers as publishers, their producers as subscribers; turns cut at random places."""

from __future__ import annotations

from typing import Any

from rt_edge.protocol.roles import Publisher, Subscriber
from rt_edge.streams.dsl import Sink, Source
from rt_edge.streams.hubs.broadcast_hub import BroadcastHub
from rt_edge.streams.hubs.hub import Hub
from rt_edge.streams.hubs.merge_hub import MergeHub
from rt_edge.streams.hubs.partition_hub import PartitionHub
from rt_edge.testkit.tck import PublisherVerification, SubscriberBlackboxVerification
from rt_edge.testkit.virtual_clock import VirtualClock, VirtualHost


class OnVirtualClock:
    """Everything under one virtual clock."""

    stochastic_runs = 5
    hub: type[Any]

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
    max_supported_subscribers = 1  # several share the elements of one producer: tests of multicast are in test_hubs

    def create_publisher(self, elements: int) -> Publisher[Any]:
        hub: Hub = self.hub()
        Source.from_iterable(range(elements)).to(Sink.to_hub(hub)).run(self.host())
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


class TestBroadcastHubAsPublisher(AsPublisher):
    __test__ = True
    hub = BroadcastHub


class TestPartitionHubAsPublisher(AsPublisher):
    __test__ = True
    hub = PartitionHub


class TestMergeHubAsPublisher(AsPublisher):
    __test__ = True
    hub = MergeHub
    max_elements_from_publisher = 2**63 - 1  # it never completes by itself: draining is in test_hubs


class TestBroadcastHubAsSubscriber(AsSubscriber):
    __test__ = True
    hub = BroadcastHub


class TestPartitionHubAsSubscriber(AsSubscriber):
    __test__ = True
    hub = PartitionHub


class TestMergeHubAsSubscriber(AsSubscriber):
    __test__ = True
    hub = MergeHub

"""Streams that cross an island boundary keep the rules: each side an engine of its own, signals in between, lost and repeated.

A wire is one stream: one subscriber at a time, and behind a cancel its other end is gone.
"""

from __future__ import annotations

import itertools
from typing import Any

from rt_edge.data.reading import Reading
from rt_edge.protocol.roles import Processor, Publisher, Subscriber, Subscription
from rt_edge.streams.boundary.incoming import WireIn
from rt_edge.streams.boundary.outgoing import WireOut
from rt_edge.streams.dsl import Sink, Source
from rt_edge.streams.dsl.running import SinkSubscriber
from rt_edge.testkit.island_world import FaultyPost, IslandHost, Net, World
from rt_edge.testkit.tck import (
    IdentityProcessorAsSubscriberVerification,
    IdentityProcessorVerification,
    PublisherVerification,
    SubscriberBlackboxVerification,
)

ONE_STREAM = {
    "test_untested_spec314_cancel_may_cause_the_publisher_to_shutdown_if_no_other_subscription_exists": (
        "behind a cancel the other end of a wire is gone; who dials again waits for its next life, as islands do"
    )
}


def reading(index: int) -> Reading:
    return Reading("device", index, {"value": index})


class Across:
    """Islands in one world. Settling lets virtual seconds pass: signals take time, and lost ones are said again."""

    seed = 3
    net = Net(loss=0.0, repeat=0.0, delay=0.001)
    seconds = 20.0
    strict = True
    stochastic_runs = 3
    max_supported_subscribers = 1
    __test__ = False

    def setup_method(self) -> None:
        self.world = World(self.seed)
        self.wires = (f"wire-{n}" for n in itertools.count())
        self.faults = Net(self.net.loss, self.net.repeat, self.net.delay)

    def host(self) -> IslandHost:
        return IslandHost(self.world)

    def settle(self) -> None:
        self.world.run(lambda: False, self.seconds)

    def create_element(self, index: int) -> Any:
        return reading(index)

    def incoming(self, wire: str) -> Publisher[Any]:
        host = self.host()
        return Source(WireIn(wire=wire, post=FaultyPost(self.world, host, self.faults))).as_publisher(lambda: host)

    def outgoing(self, wire: str) -> tuple[Sink[Any], IslandHost]:
        host = self.host()
        return Sink(WireOut(wire=wire, post=FaultyPost(self.world, host, self.faults))), host


class WirePublisher(Across, PublisherVerification):
    declined = ONE_STREAM

    def create_publisher(self, elements: int) -> Publisher[Any]:
        return self.over_a_wire(Source.from_iterable([reading(index) for index in range(elements)]))

    def create_failed_publisher(self) -> Publisher[Any]:
        return self.over_a_wire(Source.failed(ValueError("a test")))

    def over_a_wire(self, source: Source[Any]) -> Publisher[Any]:
        wire = next(self.wires)
        sink, host = self.outgoing(wire)
        source.to(sink).run(host)
        return self.incoming(wire)


class WireProcessor:
    """A subscriber in one island, and its publisher in another."""

    def __init__(self, world: Across) -> None:
        wire = next(world.wires)
        sink, host = world.outgoing(wire)
        self.inward: SinkSubscriber = sink.as_subscriber(host)
        self.outward = world.incoming(wire)

    def on_subscribe(self, subscription: Subscription) -> None:
        self.inward.on_subscribe(subscription)

    def on_next(self, element: Any) -> None:
        self.inward.on_next(element)

    def on_error(self, error: BaseException) -> None:
        self.inward.on_error(error)

    def on_complete(self) -> None:
        self.inward.on_complete()

    def subscribe(self, subscriber: Subscriber[Any]) -> None:
        self.outward.subscribe(subscriber)


ANOTHER_OBJECT = "an error crosses as text: it is another object on the other side"
SAME_OBJECT = {
    "test_required_spec402_must_immediately_pass_on_on_error_events_received_from_its_upstream_to_its_downstream": ANOTHER_OBJECT,
    "test_required_spec210_must_be_prepared_to_receive_an_on_error_signal_with_preceding_request_call": ANOTHER_OBJECT,
    "test_required_spec210_must_be_prepared_to_receive_an_on_error_signal_without_preceding_request_call": ANOTHER_OBJECT,
}


class WireAsProcessor(Across, IdentityProcessorVerification):
    declined = ONE_STREAM | SAME_OBJECT

    def create_identity_processor(self, buffer_size: int) -> Processor[Any, Any]:
        return WireProcessor(self)


class WireAsProcessorFromOutside(Across, IdentityProcessorAsSubscriberVerification):
    def create_identity_processor(self, buffer_size: int) -> Processor[Any, Any]:
        return WireProcessor(self)


class WireSubscriber(Across, SubscriberBlackboxVerification):
    """A sink that writes to a wire, at the other end of which everything is taken."""

    def create_subscriber(self) -> Subscriber[Any]:
        wire = next(self.wires)
        sink, host = self.outgoing(wire)
        subscriber = sink.as_subscriber(host)
        other = self.host()
        Source(WireIn(wire=wire, post=FaultyPost(self.world, other, self.faults))).to(Sink.ignore()).run(other)
        return subscriber

    def stop(self, subscriber: Subscriber[Any]) -> None:
        assert isinstance(subscriber, SinkSubscriber)
        subscriber.stop()


class TestWirePublisher(WirePublisher):
    __test__ = True


class TestWireProcessor(WireAsProcessor):
    __test__ = True


class TestWireProcessorFromOutside(WireAsProcessorFromOutside):
    __test__ = True


class TestWireSubscriber(WireSubscriber):
    __test__ = True


LOSSY = Net(loss=0.05, repeat=0.1, delay=0.05)
FEW = 100  # elements: asked for one by one, each takes a virtual second now and then


class TestFaultyWirePublisher(WirePublisher):
    __test__ = True
    net = LOSSY
    seconds = 60.0
    max_elements_from_publisher = FEW


class TestFaultyWireProcessor(WireAsProcessor):
    __test__ = True
    net = LOSSY
    seconds = 60.0
    max_elements_from_publisher = FEW


class TestFaultyWireSubscriber(WireSubscriber):
    __test__ = True
    net = LOSSY
    seconds = 60.0

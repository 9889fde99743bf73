"""What the compatibility kit does not ask of the element-wise bridge: threads, receipts, windows, broken peers."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import weakref
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from rt_edge.data.errors import ConfigError, InternalError, RefusedError, SpecViolation, StreamError
from rt_edge.protocol.demand import UNBOUNDED
from rt_edge.protocol.roles import Processor, Publisher, Subscriber, Subscription
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.dsl import Flow, Sink, Source
from rt_edge.streams.elementwise import Inward, IslandProcessor, IslandPublisher, Outward
from rt_edge.streams.host import AsyncioHost
from rt_edge.streams.stages.map import Map
from rt_edge.testkit.probes import SourceProbe
from rt_edge.testkit.tck import ListPublisher, RecordingSubscriber, RecordingSubscription
from rt_edge.testkit.virtual_clock import VirtualClock, VirtualHost
from rt_edge.testkit.waiting import Bell


class World:
    """Hosts under one virtual clock."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.hosts: list[VirtualHost] = []

    def host(self) -> VirtualHost:
        self.hosts.append(VirtualHost(self.clock))
        return self.hosts[-1]

    def settle(self) -> None:
        VirtualHost(self.clock).settle()

    def probed(self, subscriber: RecordingSubscriber) -> SourceProbe:
        """A source with receipts that `subscriber` has subscribed to."""
        probe = SourceProbe(self.settle)
        Source(probe.stage).as_publisher(self.host).subscribe(subscriber)
        self.settle()
        return probe


@pytest.fixture
def world() -> World:
    return World()


def on_next_that(action: Callable[[RecordingSubscriber, Any], None]) -> RecordingSubscriber:
    return RecordingSubscriber(on_next=action)


def test_elements_are_settled_when_on_next_has_returned(world: World) -> None:
    """Every element that a subscriber took is settled as stored, and nothing is before it was asked for."""
    subscriber = RecordingSubscriber()
    probe = world.probed(subscriber)
    probe.expect_no_request()
    subscriber.subscription.request(3)
    world.settle()
    probe.expect_request(3)
    probe.send("a", "b")
    assert subscriber.elements == ["a", "b"]
    assert probe.outcomes.stored() == [0, 1]


def test_rest_of_a_chunk_is_dropped_when_the_subscriber_cancels_inside_it(world: World) -> None:
    """What was delivered before the cancel is stored, the rest of the chunk is dropped, and upstream is cancelled."""
    subscriber = on_next_that(lambda it, element: it.subscription.cancel() if element == "b" else None)
    probe = world.probed(subscriber)
    subscriber.subscription.request(10)
    world.settle()
    probe.send("a", "b", "c", "d")
    assert subscriber.elements == ["a", "b"]
    assert probe.outcomes.stored() == [0, 1]
    assert probe.outcomes.dropped("cancelled") == [2, 3]
    assert probe.expect_cancellation() is None


def test_rest_of_a_chunk_fails_when_the_subscriber_raises(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A subscriber that breaks rule 2.13 loses its subscription and gets no signal; what it did not take fails."""

    def breaks(it: RecordingSubscriber, element: Any) -> None:
        if element == "b":
            raise RuntimeError("broken")

    subscriber = on_next_that(breaks)
    probe = world.probed(subscriber)
    subscriber.subscription.request(10)
    world.settle()
    with caplog.at_level(logging.ERROR):
        probe.send("a", "b", "c")
    assert "rule 2.13: on_next raised RuntimeError: broken" in caplog.text
    assert probe.outcomes.stored() == [0]
    assert probe.outcomes.failed() == [1, 2]
    assert not subscriber.is_over
    assert isinstance(probe.expect_cancellation(), StreamError)


def test_subscriber_is_collected_when_it_raised(world: World) -> None:
    """After a violation nothing of the run, its errors neither, holds the subscriber (rule 3.13)."""

    def breaks(it: RecordingSubscriber, element: Any) -> None:
        raise RuntimeError("broken")

    subscriber = on_next_that(breaks)
    publisher = Source.from_iterable(range(5)).as_publisher(world.host)
    publisher.subscribe(subscriber)
    subscriber.subscription.request(5)
    world.settle()
    alive = weakref.ref(subscriber)
    del subscriber
    gc.collect()
    assert alive() is None
    assert publisher.subscribers == 0


def test_window_bounds_what_is_asked_when_demand_is_unbounded(world: World) -> None:
    """A publisher is never asked for more than the window, and again when half of it has come."""
    subscription, subscriber = RecordingSubscription(), RecordingSubscriber()
    processor = Flow().map(lambda x: x).as_processor(world.host(), window=8)
    processor.subscribe(subscriber)
    processor.on_subscribe(subscription)
    world.settle()
    assert subscription.requests == []
    subscriber.subscription.request(UNBOUNDED)
    world.settle()
    assert subscription.requests == [8]
    for n in range(3):
        processor.on_next(n)
    world.settle()
    assert subscription.requests == [8]
    processor.on_next(3)
    world.settle()
    assert subscription.requests == [8, 4]
    assert subscriber.elements == [0, 1, 2, 3]


def test_stream_fails_when_a_publisher_sends_more_than_was_asked(world: World) -> None:
    """An element beyond the demand breaks rule 1.1: the publisher is cancelled, and downstream gets an InternalError."""
    subscription, subscriber = RecordingSubscription(), RecordingSubscriber()
    processor = Flow().map(lambda x: x).as_processor(world.host())
    processor.on_subscribe(subscription)
    processor.subscribe(subscriber)
    world.settle()
    subscriber.subscription.request(1)
    world.settle()
    for n in range(3):
        processor.on_next(n)
    world.settle()
    assert subscription.cancels == 1
    [error] = subscriber.errors
    assert isinstance(error, InternalError)
    assert isinstance(error.__cause__, SpecViolation)
    assert error.__cause__.rule == "1.1"


def test_elements_come_before_the_error_when_both_arrive_at_once(world: World) -> None:
    """What was asked for and sent before on_error is delivered, then the error."""
    subscriber = RecordingSubscriber()
    error = ValueError("a test")
    Source.from_publisher(ListPublisher(range(4), error)).map(str).as_publisher(world.host).subscribe(subscriber)
    subscriber.subscription.request(10)
    world.settle()
    assert subscriber.elements == ["0", "1", "2", "3"]
    assert subscriber.errors == [error]


class Raising:
    """A publisher that cannot even be subscribed to."""

    def subscribe(self, subscriber: Subscriber[Any]) -> None:
        raise OSError("no such device")


def test_stream_fails_when_subscribing_upstream_raises(world: World) -> None:
    """An error out of a foreign subscribe reaches downstream as on_error."""
    subscriber = RecordingSubscriber()
    Source.from_publisher(Raising()).as_publisher(world.host).subscribe(subscriber)
    world.settle()
    assert [str(error) for error in subscriber.errors] == ["no such device"]
    assert not subscriber.violations


def test_subscriber_is_refused_when_there_is_no_host() -> None:
    """Without a running loop, subscribe returns normally and signals on_subscribe, then on_error (rule 1.9)."""
    subscriber = RecordingSubscriber()
    publisher = Source.single(1).as_publisher()
    publisher.subscribe(subscriber)
    assert [kind for kind, _ in subscriber.signals] == ["subscribe", "error"]
    assert "no running event loop" in str(subscriber.errors[0])
    assert publisher.subscribers == 0


def test_subscriber_gets_on_error_when_its_island_is_stopped(world: World) -> None:
    """A run that is stopped from outside does not leave its subscriber waiting."""
    subscriber = RecordingSubscriber()
    processor = Flow().map(lambda x: x).as_processor(world.host())
    processor.subscribe(subscriber)
    world.settle()
    processor.stop()
    world.settle()
    assert "stopped" in str(subscriber.errors[0])


@pytest.mark.parametrize("error", [None, ValueError("a test")])
def test_processor_tells_the_end_when_its_subscriber_comes_late(world: World, error: BaseException | None) -> None:
    """The end that came before there was a subscriber is signalled to it, after on_subscribe."""
    subscriber = RecordingSubscriber()
    processor = Flow().map(lambda x: x).as_processor(world.host())
    ListPublisher([], error).subscribe(processor)
    world.settle()
    processor.subscribe(subscriber)
    world.settle()
    assert not subscriber.violations
    assert subscriber.errors == ([error] if error else [])
    assert subscriber.completed == (error is None)


def test_second_subscriber_is_refused_when_a_processor_has_one(world: World) -> None:
    """The second gets on_subscribe and on_error, the first goes on."""
    first, second = RecordingSubscriber(), RecordingSubscriber()
    processor = Flow().map(str).as_processor(world.host())
    ListPublisher(range(2)).subscribe(processor)
    processor.subscribe(first)
    processor.subscribe(second)
    world.settle()
    assert isinstance(second.errors[0], RefusedError)
    first.subscription.request(5)
    world.settle()
    assert first.elements == ["0", "1"]
    assert first.completed


def test_blueprint_is_refused_when_its_open_ports_do_not_fit() -> None:
    """Which ports a role needs and which the graph has is said."""
    blueprint = Blueprint()
    blueprint.add(Map(function=str))
    with pytest.raises(ConfigError, match="a publisher has 0 open inlets and 1 open outlets, this graph 1 and 1"):
        IslandPublisher(blueprint)
    with pytest.raises(ConfigError, match="a processor has 1 open inlets and 1 open outlets, this graph 0 and 0"):
        IslandProcessor(Blueprint(), VirtualHost())


def test_islands_play_their_roles_when_they_are_asked(world: World) -> None:
    """What is handed out has the methods of the role."""
    assert isinstance(Source.single(1).as_publisher(world.host), Publisher)
    assert isinstance(Flow().map(str).as_processor(world.host()), Processor)
    assert isinstance(Sink.collect().as_subscriber(world.host()), Subscriber)


class Counting(RecordingSubscriber):
    """Asks from a second thread, one element at a time; rings when a signal came."""

    def __init__(self, bell: Bell) -> None:
        super().__init__()
        self.bell = bell
        self.threads: set[int] = set()

    def on_subscribe(self, subscription: Subscription) -> None:
        super().on_subscribe(subscription)
        self.bell.ring()

    def on_next(self, element: Any) -> None:
        super().on_next(element)
        self.threads.add(threading.get_ident())
        self.bell.ring()

    def on_complete(self) -> None:
        super().on_complete()
        self.bell.ring()


async def ask_from_threads(elements: int, threads: int) -> Counting:
    bell = Bell()
    subscriber = Counting(bell)
    chain = Source.from_publisher(Source.from_iterable(range(elements)).as_publisher()).map(lambda n: n + 1)
    processor = Flow().buffer(16).as_processor(AsyncioHost(), window=32)
    chain.as_publisher().subscribe(processor)
    processor.subscribe(subscriber)
    await bell.until(lambda: bool(subscriber.signals), 20, "on_subscribe")

    def ask() -> None:
        for _ in range(elements // threads):
            subscriber.subscription.request(1)

    workers = [threading.Thread(target=ask) for _ in range(threads)]
    for worker in workers:
        worker.start()
    await bell.until(lambda: len(subscriber.elements) == elements, 20, f"{elements} elements")
    for worker in workers:
        worker.join()
    subscriber.subscription.request(1)
    await bell.until(lambda: subscriber.completed, 20, "the end")
    return subscriber


def test_every_request_counts_when_several_threads_ask() -> None:
    """8,000 requests of one element from 4 threads bring 8,000 elements in order, all in the island's thread, none nested."""
    subscriber = asyncio.run(ask_from_threads(8000, 4))
    assert subscriber.elements == list(range(1, 8001))
    assert subscriber.threads == {threading.get_ident()}
    assert not subscriber.violations
    assert subscriber.depth == 1


def test_cancel_stops_the_stream_when_it_comes_from_another_thread() -> None:
    """A cancel from a thread ends an endless stream; the publisher forgets it."""

    async def run() -> None:
        bell = Bell()
        subscriber = Counting(bell)
        publisher = Source.from_iterable(iter(int, 1)).as_publisher()
        publisher.subscribe(subscriber)
        subscriber.subscription.request(100)
        await bell.until(lambda: len(subscriber.elements) == 100)
        thread = threading.Thread(target=subscriber.subscription.cancel)
        thread.start()
        thread.join()
        assert publisher.subscribers == 0
        seen = len(subscriber.elements)
        subscriber.subscription.request(100)
        await asyncio.sleep(0)
        assert len(subscriber.elements) == seen

    asyncio.run(run())


def test_calls_return_normally_when_the_loop_has_closed() -> None:
    """request, cancel and the signals of a subscriber raise nothing after the island's loop is gone (rules 2.13, 3.15, 3.16)."""
    subscriber, late = RecordingSubscriber(), RecordingSubscriber()

    async def run() -> tuple[Any, Any]:
        Source.from_iterable(range(9)).as_publisher().subscribe(subscriber)
        return Flow().map(str).as_processor(), Sink.collect().as_subscriber()

    processor, sink = asyncio.run(run())
    subscriber.subscription.request(1)
    processor.on_subscribe(RecordingSubscription())
    processor.subscribe(late)
    processor.on_complete()
    sink.on_subscribe(RecordingSubscription())
    sink.on_error(ValueError("late"))
    subscriber.subscription.cancel()
    assert subscriber.elements == []


@pytest.mark.parametrize("seed", range(60))
def test_stream_ends_without_further_demand_when_signals_come_at_any_moment(seed: int) -> None:
    """Whatever happens between the signals of upstream: all elements come in order, then the end, with no request more."""
    random, clock = Random(seed), VirtualClock()
    subscriber, subscription = RecordingSubscriber(), RecordingSubscription()
    fan = Flow().map(lambda n: n).broadcast(*(Sink.ignore() for _ in range(6)))  # wires that make the others wait
    processor = Flow().map(lambda n: n).also_to(fan).as_processor(VirtualHost(clock, seed), window=random.randint(1, 5))
    processor.on_subscribe(subscription)
    processor.subscribe(subscriber)
    VirtualHost(clock).settle()
    subscriber.subscription.request(7)
    sent = 0
    while sent < 7:
        if subscription.demand and random.random() < 0.5:
            subscription.demand.take()
            processor.on_next(sent)
            sent += 1
        elif not clock.step():
            assert subscription.demand, f"{sent} elements were sent, and no more are asked for"
    for _ in range(random.randint(0, 6)):
        clock.step()
    subscription.closed = True
    processor.on_complete()
    VirtualHost(clock).settle()
    assert subscriber.elements == list(range(7))
    assert subscriber.completed
    assert not subscription.violations


def test_stream_is_ended_when_its_subscriber_subscribes_again(world: World) -> None:
    """A second subscribe breaks rule 1.10: the stream that there is ends by on_error, no other begins; others go on."""
    subscriber, other = RecordingSubscriber(), RecordingSubscriber()
    publisher = Source.from_iterable(range(3)).as_publisher(world.host)
    publisher.subscribe(subscriber)
    publisher.subscribe(other)
    publisher.subscribe(subscriber)
    world.settle()
    assert "rule 1.10" in str(subscriber.errors[0])
    assert [kind for kind, _ in subscriber.signals] == ["subscribe", "error"]
    assert publisher.subscribers == 1
    other.subscription.request(5)
    world.settle()
    assert other.elements == [0, 1, 2]


def test_no_run_is_started_when_the_subscriber_cancels_in_on_subscribe(world: World) -> None:
    """A cancel from inside on_subscribe comes before the run: nothing upstream is subscribed to."""
    upstream: list[Any] = []

    class Upstream:
        def subscribe(self, subscriber: Subscriber[Any]) -> None:
            upstream.append(subscriber)

    publisher = Source.from_publisher(Upstream()).as_publisher(world.host)
    publisher.subscribe(RecordingSubscriber(on_subscribe=lambda subscription: subscription.cancel()))
    world.settle()
    assert upstream == []
    assert publisher.subscribers == 0


def test_island_is_told_when_signals_came_before_its_run() -> None:
    """What a subscriber or a subscription was told before the run started is looked at when it starts, once."""
    told: list[str] = []
    inward, outward = Inward(), Outward()
    for end in (Inward(), Outward()):
        end.connect(lambda: told.append("nothing was said"))
    inward.on_complete()
    outward.request(1)
    inward.connect(lambda: told.append("inward"))
    outward.connect(lambda: told.append("outward"))
    outward.request(1)
    assert told == ["inward", "outward"]
    assert outward.collect() == (2, None)

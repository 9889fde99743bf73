"""Hubs between runs of their own: who gets what, who waits for whom, and who is thrown out."""

from __future__ import annotations

import asyncio
import threading
from random import Random
from typing import Any

import pytest

from rt_edge.data.errors import ConfigError, RefusedError
from rt_edge.streams.dsl import Sink, Source
from rt_edge.streams.hubs.broadcast_hub import BroadcastHub
from rt_edge.streams.hubs.from_hub import FromHub
from rt_edge.streams.hubs.merge_hub import MergeHub
from rt_edge.streams.hubs.partition_hub import PartitionHub
from rt_edge.streams.hubs.ports import Disconnected, SlowConsumer
from rt_edge.streams.hubs.to_hub import ToHub
from rt_edge.streams.routing.content import ByContent
from rt_edge.streams.routing.hashing import ConsistentHashing
from rt_edge.streams.routing.strategy import Balancing, RoundRobin
from rt_edge.testkit.probes import SinkProbe, SourceProbe
from tests.streams.hubs.hub_world import World

MANY = 10_000


# -- MergeHub ----------------------------------------------------------------------------------------------------------


def test_producers_come_and_go_when_the_consumer_of_a_merge_hub_stays() -> None:
    """Elements in the order of their coming; the end or the failure of a producer is not the end of the others."""
    world, hub = World(), MergeHub()
    sink = world.out_of(FromHub(hub=hub))
    sink.request(MANY)
    one, two = world.into(ToHub(hub=hub)), world.into(ToHub(hub=hub))
    one.send("a")
    two.send("b")
    one.send("c")
    one.complete()
    two.fail(ValueError("x"))
    three = world.into(ToHub(hub=hub))
    three.send("d")
    sink.expect_next("a", "b", "c", "d")
    sink.expect_no_signal()
    assert hub.producers == 1
    assert hub.counters["failed_producers"] == 1
    assert one.outcomes.stored() == [0, 1]


def test_each_producer_has_its_own_buffer_when_the_consumer_does_not_ask() -> None:
    """16 elements of each are taken, whatever the others do; nothing before there is a consumer."""
    world, hub = World(), MergeHub()
    one, two = world.into(ToHub(hub=hub)), world.into(ToHub(hub=hub))
    one.expect_no_request()
    sink = world.out_of(FromHub(hub=hub))
    one.expect_request(16)
    one.send(*range(16))
    one.expect_no_request()
    two.expect_request(16)
    two.send("a")
    sink.request(17)
    sink.expect_next(*range(16), "a")
    one.expect_request(16)


def test_what_is_there_goes_out_when_a_merge_hub_is_drained() -> None:
    """Producers are cancelled, no more come, the consumer gets the rest and the end."""
    world, hub = World(), MergeHub()
    sink = world.out_of(FromHub(hub=hub))
    one, two = world.into(ToHub(hub=hub)), world.into(ToHub(hub=hub))
    one.send(1, 2)
    hub.drain_and_complete()
    world.settle()
    assert one.expect_cancellation() is None
    assert two.expect_cancellation() is None
    late = world.into(ToHub(hub=hub))
    assert isinstance(late.expect_cancellation(), RefusedError)
    sink.request(5)
    sink.expect_next(1, 2)
    sink.expect_complete()
    assert hub.counters["failed_producers"] == 0


def test_producers_are_cancelled_when_the_consumer_of_a_merge_hub_leaves() -> None:
    """Or wait for another one; what waited in the hub is counted as dropped, or goes to that one."""
    world, hub = World(), MergeHub()
    sink, one = world.out_of(FromHub(hub=hub)), world.into(ToHub(hub=hub))
    one.send(1, 2)
    sink.cancel()
    one.expect_cancellation()
    assert hub.counters["dropped_consumer_left"] == 2
    world, hub = World(), MergeHub(keep_open=True)
    sink, one = world.out_of(FromHub(hub=hub)), world.into(ToHub(hub=hub))
    one.send(1, 2)
    sink.cancel()
    again = world.out_of(FromHub(hub=hub))
    again.request(9)
    one.send(3)
    again.expect_next(1, 2, 3)
    second = world.out_of(FromHub(hub=hub))
    assert isinstance(second.expect_error(), RefusedError)


def test_slow_consumer_of_a_merge_hub_is_disconnected_when_its_time_is_over() -> None:
    """It took nothing for two seconds while a producer waited."""
    world, hub = World(), MergeHub(slow=SlowConsumer(within=2.0), buffer=2)
    sink, one = world.out_of(FromHub(hub=hub)), world.into(ToHub(hub=hub))
    one.send(1)
    world.advance(5.0)
    sink.expect_no_signal()
    one.send(2)
    world.advance(1.5)
    sink.request(1)
    one.send(3)
    world.advance(1.5)
    sink.expect_next(1)
    sink.expect_no_signal()
    world.advance(1.0)
    assert isinstance(sink.expect_error(), Disconnected)
    one.expect_cancellation()


# -- BroadcastHub ------------------------------------------------------------------------------------------------------


def test_everybody_gets_everything_from_its_coming_when_broadcast() -> None:
    """Consumers come and go; each sees all elements between, in order."""
    world, hub = World(), BroadcastHub(buffer=8)
    source = world.into(ToHub(hub=hub))
    source.expect_no_request()
    first = world.out_of(FromHub(hub=hub))
    first.request(MANY)
    source.expect_request(8)
    source.send(1, 2)
    second = world.out_of(FromHub(hub=hub))
    second.request(MANY)
    source.send(3)
    first.cancel()
    source.send(4)
    source.complete()
    first.expect_next(1, 2, 3)
    second.expect_next(3, 4)
    second.expect_complete()
    late = world.out_of(FromHub(hub=hub))
    late.expect_complete()


def test_slowest_sets_the_pace_when_all_back_pressure() -> None:
    """The producer is asked for what the slowest has room for; when it leaves, the others go on."""
    world, hub = World(), BroadcastHub(buffer=4)
    source = world.into(ToHub(hub=hub))
    fast, slow = world.out_of(FromHub(hub=hub)), world.out_of(FromHub(hub=hub))
    fast.request(MANY)
    slow.request(1)
    source.send(1, 2, 3, 4)
    source.expect_request(1)
    source.send(5)
    source.expect_no_request()
    fast.expect_next(1, 2, 3, 4, 5)
    slow.cancel()
    source.expect_request(4)
    assert hub.counters["dropped_consumer_left"] == 4


def test_nothing_is_taken_before_so_many_have_come_when_told_to_wait() -> None:
    """start_after; afterwards fewer are enough."""
    world, hub = World(), BroadcastHub(start_after=2)
    source, first = world.into(ToHub(hub=hub)), world.out_of(FromHub(hub=hub))
    source.expect_no_request()
    second = world.out_of(FromHub(hub=hub))
    source.expect_request()
    second.cancel()
    source.expect_request()
    source.send(1)
    first.request(1)
    first.expect_next(1)


@pytest.mark.parametrize(
    ("overflow", "kept"),
    [("drop_head", [4, 5, 6]), ("drop_new", [1, 2, 3]), ("drop_tail", [1, 2, 6]), ("drop_buffer", [4, 5, 6])],
)
def test_slow_consumer_loses_elements_alone_when_its_policy_drops(overflow: Any, kept: list[int]) -> None:
    """The others get all; every element is in the queue, or counted as dropped."""
    world, hub = World(), BroadcastHub(buffer=3)
    source = world.into(ToHub(hub=hub))
    whole, lossy = world.out_of(FromHub(hub=hub)), world.out_of(FromHub(hub=hub, slow=SlowConsumer(overflow=overflow)))
    whole.request(MANY)
    for n in range(1, 7):
        source.send(n)
    whole.expect_next(1, 2, 3, 4, 5, 6)
    lossy.request(9)
    lossy.expect_next(*kept)
    assert hub.consumers[1][2] == {"dropped_overflow": 3, "passed": 3}


def test_slow_consumer_is_disconnected_when_its_policy_says_so() -> None:
    """At once under fail; after its time under back-pressure, and only if it took nothing in it."""
    world, hub = World(), BroadcastHub(buffer=2)
    source = world.into(ToHub(hub=hub))
    good = world.out_of(FromHub(hub=hub))
    strict = world.out_of(FromHub(hub=hub, slow=SlowConsumer(overflow="fail")))
    timed = world.out_of(FromHub(hub=hub, slow=SlowConsumer(within=3.0)))
    good.request(MANY)
    source.send(1, 2)
    source.expect_no_request()
    world.advance(2.9)
    timed.expect_no_signal()
    world.advance(0.2)
    assert isinstance(timed.expect_error(), Disconnected)
    source.expect_request(2)
    source.send(3)
    assert "has not taken 2 elements" in str(strict.expect_error())
    good.expect_next(1, 2, 3)
    assert hub.counters["disconnected"] == 2
    assert hub.counters["dropped_consumer_left"] == 2
    assert hub.counters["dropped_overflow"] == 3


def test_consumers_hear_of_it_when_the_producer_fails_or_is_stopped() -> None:
    """At once and with the same error; with keep_open they wait for the next producer."""
    error = ValueError("x")
    world, hub = World(), BroadcastHub()
    source, sink = world.into(ToHub(hub=hub)), world.out_of(FromHub(hub=hub))
    source.fail(error)
    assert sink.expect_error() is error
    world, hub = World(), BroadcastHub()
    source, sink = world.into(ToHub(hub=hub)), world.out_of(FromHub(hub=hub))
    world.stop(source)
    assert "was stopped" in str(sink.expect_error())
    world, hub = World(), BroadcastHub(keep_open=True)
    source, sink = world.into(ToHub(hub=hub)), world.out_of(FromHub(hub=hub))
    sink.request(9)
    source.send(1)
    world.stop(source)
    world.into(ToHub(hub=hub)).send(2)
    sink.expect_next(1, 2)
    sink.expect_no_signal()


def test_second_producer_is_refused_when_a_hub_is_for_one() -> None:
    """With the remedy."""
    world, hub = World(), BroadcastHub()
    world.into(ToHub(hub=hub))
    refusal = world.into(ToHub(hub=hub)).expect_cancellation()
    assert isinstance(refusal, RefusedError)
    assert "MergeHub" in str(refusal)


# -- PartitionHub ------------------------------------------------------------------------------------------------------


def test_each_element_goes_to_one_when_partitioned() -> None:
    """By a function that sees how much waits for each; None is for nobody, and counted."""
    seen: list[list[int]] = []

    def route(element: int, consumers: Any) -> int | None:
        seen.append([consumer.load for consumer in consumers])
        return None if element < 0 else element % len(consumers)

    world, hub = World(), PartitionHub(route, buffer=4, start_after=2)
    source = world.into(ToHub(hub=hub))
    sinks = [world.out_of(FromHub(hub=hub)) for _ in range(2)]
    source.send(0, 1, -1, 2)
    assert seen == [[0, 0], [1, 0], [1, 1], [1, 1]]
    for sink in sinks:
        sink.request(9)
    sinks[0].expect_next(0, 2)
    sinks[1].expect_next(1)
    assert hub.counters["dropped_unrouted"] == 1
    sinks[0].cancel()
    source.send(4, 6)
    sinks[1].expect_next(4, 6)


def test_element_waits_when_the_consumer_that_is_chosen_is_full() -> None:
    """And goes to the others as soon as that one leaves, behind what that one had."""
    world, hub = World(), PartitionHub(RoundRobin(), buffer=2, start_after=2)
    source = world.into(ToHub(hub=hub))
    full, other = world.out_of(FromHub(hub=hub)), world.out_of(FromHub(hub=hub))
    other.request(MANY)
    source.send(1, 2)
    source.send(3, 4)
    source.send(5, 6)
    other.expect_next(2, 4)
    source.expect_no_request()
    assert source.outcomes.stored() == [1, 3]
    full.cancel()
    other.expect_next(1, 3, 5, 6)
    assert source.outcomes.stored() == [0, 1, 2, 3, 4, 5]
    assert hub.counters["handed_on"] == 2


def test_busy_consumer_gets_nothing_when_work_is_pulled() -> None:
    """The strategies of routing serve hubs too."""
    world, hub = World(), PartitionHub(Balancing(), buffer=1, start_after=2)
    source = world.into(ToHub(hub=hub))
    busy, free = world.out_of(FromHub(hub=hub)), world.out_of(FromHub(hub=hub))
    free.request(MANY)
    for n in range(5):
        source.send(n)
    assert len(free.received) == 4
    busy.request(1)
    busy.expect_next(0)


def test_strategy_decides_when_it_is_by_key_or_by_content() -> None:
    """Equal keys meet; an element that nobody wants is dropped, counted."""
    world, hub = World(), PartitionHub(ConsistentHashing(lambda n: n % 5), start_after=3)
    source = world.into(ToHub(hub=hub))
    sinks = [world.out_of(FromHub(hub=hub)) for _ in range(3)]
    for sink in sinks:
        sink.request(MANY)
    source.send(*range(50))
    keys = [{n % 5 for n in sink.received} for sink in sinks]
    assert sum(map(len, keys)) == 5
    content = ByContent()
    world, hub = World(), PartitionHub(content)
    source, sink = world.into(ToHub(hub=hub)), world.out_of(FromHub(hub=hub))
    content.set(hub.consumers[0][0], lambda n: n > 2)
    sink.request(9)
    source.send(1, 2, 3)
    sink.expect_next(3)
    assert hub.counters["dropped_unrouted"] == 2


def test_hub_fails_when_its_function_does() -> None:
    """With the function's error, on both sides."""
    world, hub = World(), PartitionHub(lambda n, consumers: 7)
    source, sink = world.into(ToHub(hub=hub)), world.out_of(FromHub(hub=hub))
    source.send(1)
    assert "not the place of a consumer" in str(sink.expect_error(IndexError))
    assert isinstance(source.expect_cancellation(), IndexError)


# -- all ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [MergeHub, BroadcastHub, PartitionHub])
@pytest.mark.parametrize("seed", range(25))
def test_nothing_is_lost_when_all_come_and_go(kind: Any, seed: int) -> None:
    """Back-pressure on all sides, whatever the schedule: what producers were told is stored went to every consumer that was
    there (broadcast), or to one; in order; what is dropped was for consumers that have left."""
    hub, sources, sinks, sent = bustle(kind, seed)
    stored = sum(len(source.outcomes.stored()) for source in sources)
    dropped = sum(len(source.outcomes.dropped("consumer_left")) for source in sources)
    assert all(not source.outcomes.failed() and not source.outcomes.again for source in sources)
    assert stored + dropped == hub.counters["passed_in"]
    received = [item for sink in sinks for item in sink.received]
    if kind is BroadcastHub:
        for sink in sinks:
            assert sink.received == sorted(sink.received)
            if not sink.ended and sink.received:
                assert sink.received == list(range(sink.received[0], sent))
    else:
        assert len(received) == len(set(received))
        assert len(received) == stored
        assert hub.counters["dropped_consumer_left"] == dropped
    assert stored > 20 or not sinks


def bustle(kind: Any, seed: int) -> tuple[Any, list[SourceProbe], list[SinkProbe], int]:
    """300 random acts around a hub, then demand for all: the hub, all that were there, and how many elements were sent."""
    random = Random(seed)
    world, hub = World(seed), kind(keep_open=True)
    sources: list[SourceProbe] = []
    sinks: list[SinkProbe] = []
    sent = 0
    for _ in range(300):
        act = random.randint(0, 9)
        if act == 0 and hub.producers < hub.producers_most:
            sources.append(world.into(ToHub(hub=hub)))
        elif act == 1 and len(hub.consumers) < min(4, hub.consumers_most):
            sinks.append(world.out_of(FromHub(hub=hub)))
        elif act == 2 and len(hub.consumers) > 1:
            random.choice([sink for sink in sinks if not sink.ended]).cancel()
        elif act == 3 and len(live := [source for source in sources if not source.ended]) > 2:
            random.choice(live).complete()
        elif act < 7:
            sent = send(sources, sent, random)
        else:
            for sink in (sink for sink in sinks if not sink.ended and random.random() < 0.5):
                sink.request(random.randint(1, 9), settle=random.random() < 0.5)
    for sink in sinks:
        if not sink.ended:
            sink.request(MANY)
    world.settle()
    return hub, sources, sinks, sent


def send(sources: list[SourceProbe], sent: int, random: Random) -> int:
    for source in sources:
        if not source.ended and source.demand:
            n = random.randint(1, min(5, source.demand))
            source.send(*range(sent, sent + n), settle=random.random() < 0.5)
            sent += n
    return sent


def test_hub_hands_over_when_producer_and_consumer_run_in_two_threads() -> None:
    """Two asyncio loops in two threads: all elements, in order, and the end."""
    hub = BroadcastHub(buffer=32, start_after=2)
    result: list[Any] = []

    def consume() -> None:
        result.append(asyncio.run(Source.from_hub(hub).to(Sink.collect()).run_async()))

    threads = [threading.Thread(target=consume) for _ in range(2)]
    for thread in threads:
        thread.start()
    asyncio.run(Source.from_iterable(range(20_000)).to(Sink.to_hub(hub)).run_async())
    for thread in threads:
        thread.join(30)
    assert [len(items) for items in result] == [20_000] * 2
    assert all(items == list(range(20_000)) for items in result)


def test_mistake_is_named_when_a_hub_makes_no_sense() -> None:
    """Bounds, times, and what is no hub."""
    for make in (
        lambda: BroadcastHub(buffer=0),
        lambda: BroadcastHub(start_after=-1),
        lambda: SlowConsumer(within=0.0),
        lambda: SlowConsumer(overflow="drop_head", within=1.0),
        lambda: Source.from_hub("hub"),  # type: ignore[arg-type]
        lambda: Sink.to_hub(None),  # type: ignore[arg-type]
    ):
        with pytest.raises(ConfigError):
            make()

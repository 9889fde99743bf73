"""Receipts through hubs: an element has the outcome that the hub's consumers give it, whoever comes, goes, fails or is slow."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import ConfigError
from rt_edge.data.receipt import STORED, Dropped, Failed, Outcome, Receipt
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.dsl import Sink, Source
from rt_edge.streams.engine import Engine
from rt_edge.streams.host import AsyncioHost
from rt_edge.streams.hubs.broadcast_hub import BroadcastHub
from rt_edge.streams.hubs.deliveries import TRIES
from rt_edge.streams.hubs.from_hub import FromHub
from rt_edge.streams.hubs.merge_hub import MergeHub
from rt_edge.streams.hubs.partition_hub import PartitionHub
from rt_edge.streams.hubs.ports import SlowConsumer
from rt_edge.streams.hubs.to_hub import ToHub
from rt_edge.streams.routing.strategy import Everyone, RoundRobin
from rt_edge.testkit.probes import Outcomes, SourceProbe
from rt_edge.testkit.virtual_clock import VirtualHost
from rt_edge.testkit.waiting import until
from tests.streams.hubs.hub_world import World
from tests.streams.hubs.receipts import BAD, DEAD, GONE, MANY, die, nothing_is_left

__all__ = ["nothing_is_left"]


def is_same(found: Outcome | None, outcome: Outcome) -> bool:
    """Stored, or dropped for the same reason, or failed with the same error."""
    if isinstance(found, Dropped) and isinstance(outcome, Dropped):
        return found.reason == outcome.reason
    if isinstance(found, Failed) and isinstance(outcome, Failed):
        return found.error is outcome.error
    return found is outcome


# -- merge hub ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [STORED, GONE, BAD], ids=repr)
def test_outcome_goes_to_the_producer_when_the_consumer_gives_it(outcome: Outcome) -> None:
    """To the one that brought the element, not before, and once."""
    world, hub = World(), MergeHub()
    sink = world.out_of(FromHub(hub=hub), keep=True)
    one, two = world.into(ToHub(hub=hub)), world.into(ToHub(hub=hub))
    sink.request(MANY)
    one.send("a", "b")
    two.send("c")
    sink.expect_next("a", "b", "c")
    assert not one.outcomes.by_mark
    last = sink.held.pop()
    sink.settle_all(outcome)
    world.settle()
    assert all(is_same(one.outcomes.by_mark[mark], outcome) for mark in (0, 1))
    assert not two.outcomes.by_mark
    last.settle()
    world.settle()
    assert two.outcomes.stored() == [0]


def test_consumer_gets_few_chunks_when_marks_ascend_and_outcomes_are_by_element() -> None:
    """Elements that came one by one are one chunk with one receipt, of which each has its own outcome."""
    world, hub = World(), MergeHub()
    sink, one = world.out_of(FromHub(hub=hub), keep=True), world.into(ToHub(hub=hub))
    for n in range(6):
        one.send(n)
    sink.request(MANY)
    (chunk,) = sink.held
    receipt = chunk.receipt
    assert receipt is not None
    assert (receipt.marks, receipt.origin and receipt.origin.name) == (range(6), "probe")
    receipt.drop("odd", [1, 3, 5])
    receipt.settle([0])
    receipt.fail(DEAD, range(4, 5))
    world.settle()
    assert (one.outcomes.stored(), one.outcomes.dropped("odd"), one.outcomes.failed()) == ([0], [1, 3, 5], [4])
    receipt.settle()
    world.settle()
    assert one.outcomes.stored() == [0, 2]
    sink.held.clear()


def test_what_waits_has_an_outcome_when_the_consumer_of_a_merge_hub_goes() -> None:
    """Dropped if it wanted no more, failed if it failed; with keep_open it is for the next one."""
    for error in (None, DEAD):
        world, hub = World(), MergeHub()
        sink, one = world.out_of(FromHub(hub=hub)), world.into(ToHub(hub=hub))
        one.send(1, 2)
        sink.cancel(error)
        assert one.outcomes.failed() == ([] if error is None else [0, 1])
        assert one.outcomes.dropped("consumer_left") == ([0, 1] if error is None else [])
    world, hub = World(), MergeHub(keep_open=True)
    sink, one = world.out_of(FromHub(hub=hub), keep=True), world.into(ToHub(hub=hub))
    one.send(1, 2, 3)
    sink.request(1)
    die(world, sink)
    assert one.outcomes.failed() == [0]
    again = world.out_of(FromHub(hub=hub))
    again.request(MANY)
    again.expect_next(2, 3)
    assert one.outcomes.stored() == [1, 2]


# -- broadcast hub -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcomes", "worst"),
    [
        ((STORED, STORED), STORED),
        ((STORED, GONE), STORED),
        ((GONE, GONE), GONE),
        ((STORED, BAD), BAD),
        ((BAD, GONE), BAD),
    ],
    ids=repr,
)
def test_worst_outcome_counts_when_broadcast(outcomes: tuple[Outcome, Outcome], worst: Outcome) -> None:
    """As behind a `broadcast` in a graph, whoever says it first; and only those count that were there when it came."""
    for order in (1, -1):
        world, hub = World(), BroadcastHub()
        source = world.into(ToHub(hub=hub))
        sinks = [world.out_of(FromHub(hub=hub), keep=True) for _ in range(2)]
        for sink in sinks:
            sink.request(MANY)
        source.send(1, 2)
        late = world.out_of(FromHub(hub=hub), keep=True)
        late.request(MANY)
        for sink, outcome in list(zip(sinks, outcomes, strict=True))[::order]:
            assert not source.outcomes.by_mark
            sink.settle_all(outcome)
            world.settle()
        assert all(is_same(source.outcomes.by_mark[mark], worst) for mark in (0, 1))
        assert late.received == []


def test_outcomes_are_by_element_when_consumers_cut_chunks_differently() -> None:
    """Votes of two consumers on overlapping parts of one chunk."""
    world, hub = World(), BroadcastHub(buffer=10)
    source = world.into(ToHub(hub=hub))
    one, two = (world.out_of(FromHub(hub=hub), keep=True) for _ in range(2))
    source.send(*range(10))
    for n in (3, 4, 3):
        one.request(n)
    for n in (5, 5):
        two.request(n)
    one.held[1].drop("middle")
    two.held[0].drop("first half")
    world.settle()
    assert source.outcomes.dropped() == [3, 4]
    two.held[1].fail(DEAD)
    one.settle_all()
    world.settle()
    assert source.outcomes.dropped() == [3, 4]
    assert source.outcomes.stored() == [0, 1, 2]
    assert source.outcomes.failed() == [5, 6, 7, 8, 9]
    two.held.clear()


def test_elements_are_known_by_their_consumer_when_they_come_to_a_durable_end() -> None:
    """Marks of the origin, under a name a consumer; who comes again has the same name, so what it has stored is known there."""
    world, hub = World(), BroadcastHub()
    source = world.into(ToHub(hub=hub))
    sinks = [world.out_of(FromHub(hub=hub), keep=True) for _ in range(2)]
    source.send(1)
    names = []
    for sink in sinks:
        sink.request(1)
        assert sink.held[0].receipt is not None
        assert sink.held[0].receipt.origin is not None
        names.append(sink.held[0].receipt.origin.name)
    assert len(set(names)) == 2
    die(world, sinks[1])
    again = world.out_of(FromHub(hub=hub), keep=True)
    source.send(2)
    again.request(1)
    assert again.held[0].receipt is not None
    assert again.held[0].receipt.origin is not None
    assert again.held[0].receipt.origin.name == names[1]
    assert again.held[0].marks == range(1, 2)
    for sink in (sinks[0], again):
        sink.settle_all()
    sinks[0].cancel()


@pytest.mark.parametrize("overflow", ["drop_head", "drop_tail", "drop_buffer", "drop_new", "fail"])
def test_what_a_policy_drops_is_dropped_for_it_when_nobody_else_gets_it(overflow: Any) -> None:
    """With the reason `overflow`; exactly what the consumer did not get, whether it came in one chunk or in several."""
    world, hub = World(), BroadcastHub(buffer=3, slow=SlowConsumer(overflow=overflow))
    sink, source = world.out_of(FromHub(hub=hub)), world.into(ToHub(hub=hub))
    source.send(0, 1)
    source.send(2)
    source.send(3, 4, settle=False) if overflow == "fail" else source.send(3, 4)
    world.settle()
    if overflow != "fail":
        sink.request(MANY)
        assert sink.received
    assert source.outcomes.stored() == sink.received
    assert source.outcomes.dropped("overflow") == [n for n in range(5) if n not in sink.received]


def test_part_of_a_consumer_is_dropped_when_it_goes_and_failed_when_it_dies() -> None:
    """What waits for one that wants no more is dropped; for one that failed it fails, so that it comes again. What a consumer
    took keeps its own outcome."""
    for error in (None, DEAD):
        world, hub = World(), BroadcastHub()
        source = world.into(ToHub(hub=hub))
        stays, goes = world.out_of(FromHub(hub=hub)), world.out_of(FromHub(hub=hub), keep=True)
        stays.request(MANY)
        goes.request(2)
        source.send(0, 1, 2, 3)
        (taken,) = goes.held
        goes.cancel(error)
        assert source.outcomes.stored() == ([2, 3] if error is None else [])
        assert source.outcomes.failed() == ([] if error is None else [2, 3])
        taken.settle()
        world.settle()
        assert source.outcomes.stored() == ([0, 1, 2, 3] if error is None else [0, 1])
        goes.held.clear()


def test_elements_are_dropped_when_nobody_consumes_and_the_hub_is_told_so() -> None:
    """unattended=drop, with the reason `no_consumer`; by default the producer waits."""
    for make in (BroadcastHub, PartitionHub):
        world, hub = World(), make(unattended="drop")
        source = world.into(ToHub(hub=hub))
        source.send(0, 1)
        assert source.outcomes.dropped("no_consumer") == [0, 1]
        assert hub.counters["dropped_no_consumer"] == 2
        sink = world.out_of(FromHub(hub=hub))
        sink.request(MANY)
        source.send(2)
        assert source.outcomes.stored() == [2]
        sink.cancel()
        source.send(3)
        assert source.outcomes.dropped("no_consumer") == [0, 1, 3]
        waiting = World()
        waiting.into(ToHub(hub=make())).expect_no_request()


# -- partition hub -----------------------------------------------------------------------------------------------------


def test_another_consumer_gets_what_one_had_that_died() -> None:
    """What waited for it and what it had taken, in the order in which it came, before anything newer, with the same marks."""
    world, hub = World(), PartitionHub(RoundRobin(), start_after=2)
    source = world.into(ToHub(hub=hub))
    dies, stays = (world.out_of(FromHub(hub=hub), keep=True) for _ in range(2))
    dies.request(2)
    source.send(*range(8))
    assert dies.received == [0, 2]
    die(world, dies)
    source.send(8)
    assert not source.outcomes.by_mark
    stays.request(MANY)
    assert stays.received == [1, 3, 5, 7, 0, 2, 4, 6, 8]
    assert hub.counters["handed_on"] == 4
    stays.settle_all()
    world.settle()
    assert source.outcomes.stored() == list(range(9))
    assert not source.outcomes.again


def test_element_fails_when_every_consumer_dies_with_it() -> None:
    """After so many tries its origin has to decide; a consumer that lives says so itself."""
    world, hub = World(), PartitionHub(keep_open=True)
    source = world.into(ToHub(hub=hub))
    for attempt in range(TRIES + 1):
        sink = world.out_of(FromHub(hub=hub), keep=True)
        sink.request(1)
        if not attempt:
            source.send("poison")
        assert sink.received == ["poison"]
        assert not source.outcomes.by_mark
        die(world, sink)
    assert source.outcomes.failed() == [0]
    sink = world.out_of(FromHub(hub=hub), keep=True)
    sink.request(1)
    source.send("bad")
    sink.settle_all(BAD)
    world.settle()
    assert source.outcomes.failed() == [0, 1]
    assert hub.counters["handed_on"] == TRIES


def test_strategy_that_gives_an_element_to_several_waits_for_all_of_them() -> None:
    """The worst outcome counts, also in a hub that partitions."""
    world, hub = World(), PartitionHub(Everyone(), start_after=2)
    source = world.into(ToHub(hub=hub))
    one, two = (world.out_of(FromHub(hub=hub), keep=True) for _ in range(2))
    for sink in (one, two):
        sink.request(MANY)
    source.send(0, 1)
    one.settle_all()
    world.settle()
    assert not source.outcomes.by_mark
    two.settle_all(GONE)
    world.settle()
    assert source.outcomes.stored() == [0, 1]


def test_element_is_dropped_when_it_is_for_nobody() -> None:
    """With the reason `unrouted`; those around it have their own outcome."""
    world, hub = World(), PartitionHub(lambda n, consumers: None if n % 2 else 0)
    source, sink = world.into(ToHub(hub=hub)), world.out_of(FromHub(hub=hub))
    sink.request(MANY)
    source.send(*range(6))
    assert source.outcomes.dropped("unrouted") == [1, 3, 5]
    assert source.outcomes.stored() == [0, 2, 4]


# -- bounds, ends ------------------------------------------------------------------------------------------------------


def test_consumer_that_settles_nothing_gets_no_more_than_its_window() -> None:
    """The rest waits in its buffer, and holds up the producer; with each outcome it goes on."""
    world, hub = World(), BroadcastHub(buffer=4, window=3)
    source, sink = world.into(ToHub(hub=hub)), world.out_of(FromHub(hub=hub), keep=True)
    sink.request(MANY)
    for n in range(7):
        source.send(n)
    source.expect_no_request()
    assert sink.received == [0, 1, 2]
    sink.held.pop(0).settle()
    world.settle()
    assert sink.received == [0, 1, 2, 3]
    source.expect_request(1)
    while sink.held:
        sink.held.pop().settle()
        world.settle()
    assert sink.received == list(range(7))


def test_producers_wait_when_too_much_of_what_a_hub_took_has_no_outcome() -> None:
    """Over all consumers; `holds` says how much that is."""
    world, hub = World(), MergeHub(buffer=8, unsettled=5)
    one, two = world.into(ToHub(hub=hub)), world.into(ToHub(hub=hub))
    sink = world.out_of(FromHub(hub=hub), keep=True)
    sink.request(MANY)
    one.send(0, 1, 2, settle=False)
    two.send(3, 4, 5, 6)
    assert len(sink.received) == 5
    one.send(7, 8)
    assert len(sink.received) == 5
    one.expect_no_request()
    for _ in range(2):
        sink.settle_all()
        world.settle()
    assert sorted(sink.received) == list(range(9))
    assert one.outcomes.stored() == [0, 1, 2, 3, 4]
    assert two.outcomes.stored() == [0, 1, 2, 3]
    hold = ToHub(hub=hub).holds()
    assert hold.elements == 5 + 1024
    for wrong in ({"window": 0}, {"unsettled": 0}):
        with pytest.raises(ConfigError):
            BroadcastHub(**wrong)


def test_producer_goes_on_when_what_one_had_out_that_was_stopped_is_settled() -> None:
    """What was out for it made room for nobody else before; nobody waits for its outcome, but others wait for the room."""
    world, hub = World(), MergeHub(unsettled=2)
    stopped, waits = world.into(ToHub(hub=hub)), world.into(ToHub(hub=hub))
    sink = world.out_of(FromHub(hub=hub), keep=True)
    sink.request(MANY)
    stopped.send(0, 1, settle=False)
    waits.send(2)
    world.stop(stopped)
    assert sink.received == [0, 1]
    sink.settle_all()
    world.settle()
    assert sink.received == [0, 1, 2]
    sink.settle_all()
    world.settle()
    assert waits.outcomes.stored() == [0]


def test_outcomes_do_not_pile_up_when_the_thread_of_the_producer_is_busy() -> None:
    """What was settled and not reported counts as out: there is room again when the producer has heard of it."""

    class Busy(VirtualHost):
        """Does later what it should do soon."""

        def soon(self, function: Callable[[], None]) -> None:
            late.append(function)

    late: list[Callable[[], None]] = []
    hub, outcomes = BroadcastHub(unsettled=3), Outcomes()
    producer, consumer = hub.enter(lambda: None), hub.join(lambda: None)
    hub.mail(producer, Busy(), lambda: None)
    for n in range(3):
        chunk = Chunk([n], Receipt(range(n, n + 1), outcomes))
        assert hub.offer(producer, chunk.items, 0.0, chunk) == 1
        got = hub.collect(consumer, 1)
        assert got is not None
        got.settle()
    more = Chunk([3], Receipt(range(3, 4), outcomes))
    assert (hub.room(producer), hub.offer(producer, more.items, 0.0, more)) == (0, 0)
    for function in late:
        function()
    assert outcomes.stored() == [0, 1, 2]
    assert hub.offer(producer, more.items, 0.0, more) == 1
    hub.leave(consumer)
    for function in late:
        function()
    assert outcomes.dropped("consumer_left") == [3]


def test_elements_are_stored_when_the_hub_has_taken_them_and_the_producer_settles_early() -> None:
    """By name; consumers then get them without receipt."""
    world, hub = World(), BroadcastHub()
    source, sink = world.into(ToHub(hub=hub, settle="early")), world.out_of(FromHub(hub=hub), keep=True)
    source.send(0, 1)
    assert source.outcomes.stored() == [0, 1]
    sink.request(MANY)
    assert sink.held[0].receipt is None
    assert ToHub(hub=hub, settle="early").holds().elements == 1024
    sink.held.clear()


def test_producer_waits_for_outcomes_when_upstream_has_ended() -> None:
    """Consumers hear of the end at once; the producer's run ends, or fails, with the last outcome."""
    for error in (None, DEAD):
        world, hub = World(), MergeHub()
        source, sink = world.into(ToHub(hub=hub)), world.out_of(FromHub(hub=hub), keep=True)
        seat = source.logic.seat.engine.seats["in"]
        sink.request(MANY)
        source.send(0, 1)
        source.complete() if error is None else source.fail(error)
        assert hub.producers == 0
        assert not seat.stopped
        sink.settle_all()
        world.settle()
        assert seat.stopped
        assert seat.engine.error is error
        assert source.outcomes.stored() == [0, 1]


def test_outcomes_go_nowhere_when_the_producer_was_stopped() -> None:
    """Then what is under way has failed for it: its origin emits it again when it is back."""
    world, hub = World(), BroadcastHub(keep_open=True)
    source, sink = world.into(ToHub(hub=hub)), world.out_of(FromHub(hub=hub), keep=True)
    sink.request(2)
    source.send(0, 1, 2)
    world.stop(source)
    assert source.outcomes.failed() == [0, 1, 2]
    sink.settle_all()
    sink.request(1)
    sink.settle_all()
    world.settle()
    assert source.outcomes.failed() == [0, 1, 2]
    assert not source.outcomes.again
    again = world.into(ToHub(hub=hub))
    sink.request(1)
    again.send("new")
    sink.settle_all()
    world.settle()
    assert again.outcomes.stored() == [0]


def test_what_a_hub_took_has_its_outcome_when_either_end_is_taken_out_of_its_graph() -> None:
    """A producer's residue is what the hub had no room for; a consumer's what waits for it alone, with its receipts."""
    world, hub = World(), BroadcastHub(buffer=2, keep_open=True)
    source, sink = world.into(ToHub(hub=hub)), world.out_of(FromHub(hub=hub), keep=True)
    source.send(0, 1)
    engine = source.logic.seat.engine
    seat = engine.seats["in"]
    assert seat.logic.residue() == []
    engine.stop_logic(seat.logic, None, None)
    world.settle()
    assert not source.outcomes.by_mark
    (rest,) = sink.logic.seat.engine.seats["out"].logic.residue()
    sink.cancel()
    assert list(rest.items) == [0, 1]
    assert not source.outcomes.by_mark
    rest.settle()
    del rest
    world.settle()
    assert source.outcomes.stored() == [0, 1]


def test_outcomes_come_in_the_thread_of_the_producer_when_consumers_run_in_others() -> None:
    """Two consumers on loops of their own, which settle; the producer hears of each element once, in its own thread."""
    hub = BroadcastHub(buffer=32, start_after=2)
    heard: list[tuple[int, int]] = []
    total = 5000

    class Listener:
        def on_outcome(self, receipt: Receipt, marks: Any, outcome: Outcome) -> None:
            assert outcome is STORED
            heard.extend((mark, threading.get_ident()) for mark in marks)

    def consume() -> None:
        asyncio.run(Source.from_hub(hub).to(Sink.settling()).run_async())

    async def produce() -> None:
        probe = SourceProbe(lambda: None)
        blueprint = Blueprint()
        blueprint.add(probe.stage, "probe")
        blueprint.add(ToHub(hub=hub), "in")
        blueprint.connect("probe", "in", 0, 0)
        host = AsyncioHost()
        engine = Engine(blueprint, host)
        host.attach(engine)
        engine.start()
        sent = 0
        while sent < total:
            await until(lambda: probe.demand > 0, every=0.001)
            n = min(probe.demand, total - sent)
            chunk = Chunk(list(range(n)), Receipt(range(sent, sent + n), Listener()))
            sent += n
            engine.enter(probe.logic.seat, probe.logic.push, probe.logic.seat.stage.outlets[0], chunk)
        await until(lambda: len(heard) >= total)
        hub.drain_and_complete()
        await until(lambda: engine.seats["in"].stopped)

    threads = [threading.Thread(target=consume) for _ in range(2)]
    for thread in threads:
        thread.start()
    asyncio.run(produce())
    for thread in threads:
        thread.join(30)
    assert sorted(mark for mark, _ in heard) == list(range(total))
    assert {thread for _, thread in heard} == {threading.get_ident()}

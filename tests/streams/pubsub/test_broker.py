"""Publishing and subscribing between runs of their own: who gets what, what is retained, who waits for whom."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.streams.dsl import Sink, Source
from rt_edge.streams.host import AsyncioHost
from rt_edge.streams.hubs.ports import Disconnected, SlowConsumer
from rt_edge.streams.pubsub.broker import Broker
from rt_edge.streams.pubsub.from_topic import FromTopic
from rt_edge.streams.pubsub.message import Message
from rt_edge.streams.pubsub.to_topic import ToTopic
from rt_edge.testkit.probes import SinkProbe
from tests.streams.hubs.hub_world import World

MANY = 10_000


def payloads(sink: SinkProbe) -> list[Any]:
    return [message.payload for message in sink.received]


def test_subscribers_get_what_their_filters_match() -> None:
    """Wildcards; a topic by a function; what nobody wants is dropped, counted."""
    world, broker = World(), Broker()
    all_ = world.out_of(FromTopic(broker=broker, topics="#"))
    line = world.out_of(FromTopic(broker=broker, topics="plant/+/t"))
    for sink in (all_, line):
        sink.request(MANY)
    fixed = world.into(ToTopic(broker=broker, topic="plant/1/t"))
    free = world.into(ToTopic(broker=broker, topic=lambda n: f"plant/{n}/p"))
    fixed.send(20, 21)
    free.send(1, 2)
    assert payloads(all_) == [20, 21, 1, 2]
    assert payloads(line) == [20, 21]
    assert all_.received[2] == Message("plant/1/p", 1)
    all_.cancel()
    free.send(3)
    assert broker.counters["no_subscriber"] == 1
    assert free.outcomes.stored() == [0, 1]
    assert free.outcomes.dropped("no_subscriber") == [2]
    assert broker.count("plant/9/t") == 1


def test_one_member_of_a_group_gets_a_message_when_it_is_shared() -> None:
    """The one with the most room; groups and single subscribers do not know of each other."""
    world, broker = World(), Broker(buffer=4)
    busy = world.out_of(FromTopic(broker=broker, topics="a/#", group="g"))
    ready = world.out_of(FromTopic(broker=broker, topics="a/#", group="g"))
    other = world.out_of(FromTopic(broker=broker, topics="a/#", group="h"))
    single = world.out_of(FromTopic(broker=broker, topics="a/b"))
    for sink in (ready, other, single):
        sink.request(MANY)
    source = world.into(ToTopic(broker=broker, topic="a/b"))
    for n in range(12):
        source.send(n)
    assert payloads(other) == payloads(single) == list(range(12))
    assert len(ready.received) >= 8
    busy.request(MANY)
    assert sorted(payloads(busy) + payloads(ready)) == list(range(12))
    assert broker.count("a/b") == 3
    busy.cancel()
    source.send(12)
    assert payloads(ready)[-1] == 12


def test_last_message_is_given_to_new_subscribers_when_it_was_retained() -> None:
    """Of each topic, marked; an empty one is forgotten; groups get none; more topics than the bound are not kept."""
    world, broker = World(), Broker(retained_most=2)
    source = world.into(ToTopic(broker=broker, topic=lambda pair: pair[0], retain=True))
    sink = world.into(ToTopic(broker=broker))
    source.send(("a", 1), ("a", 2), ("b", 1), ("c", 1))
    assert broker.topics() == ("a", "b")
    assert broker.counters["dropped_not_retained"] == 1
    late = world.out_of(FromTopic(broker=broker, topics="#"))
    grouped = world.out_of(FromTopic(broker=broker, topics="#", group="g"))
    late.request(1)
    assert late.received == [Message("a", ("a", 2), True, True)]
    late.request(9)
    grouped.request(9)
    assert payloads(late) == [("a", 2), ("b", 1)]
    assert grouped.received == []
    sink.send(Message("a", "", retain=True))
    assert broker.topics() == ("b",)


def test_publisher_waits_when_a_subscriber_of_its_topic_back_pressures() -> None:
    """It alone: publishers of other topics go on; demand bounds what a subscriber gets."""
    world, broker = World(), Broker(buffer=3)
    slow, fast = world.out_of(FromTopic(broker=broker, topics="slow")), world.out_of(FromTopic(broker=broker, topics="fast"))
    fast.request(MANY)
    slow.request(1)
    one, two = world.into(ToTopic(broker=broker, topic="slow")), world.into(ToTopic(broker=broker, topic="fast"))
    one.expect_request(3)
    one.send(1, 2, 3)
    one.expect_request(1)
    one.send(4)
    one.expect_no_request()
    for n in range(20):
        two.send(n)
    assert len(fast.received) == 20
    assert payloads(slow) == [1]
    slow.request(9)
    assert payloads(slow) == [1, 2, 3, 4]
    one.expect_request(3)


def test_message_waits_whole_when_one_of_its_subscribers_has_no_room() -> None:
    """Nobody gets it twice when it is offered again."""
    world, broker = World(), Broker(buffer=2)
    full, free = world.out_of(FromTopic(broker=broker, topics="#")), world.out_of(FromTopic(broker=broker, topics="a/#"))
    free.request(MANY)
    source = world.into(ToTopic(broker=broker, topic=lambda n: "a/x"))
    source.send(1, 2)
    source.send(3)
    assert payloads(free) == [1, 2]
    assert source.outcomes.by_mark == {}
    full.request(1)
    assert payloads(free) == [1, 2, 3]
    assert payloads(full) == [1]
    assert source.outcomes.stored() == [0]


def test_group_waits_too_when_a_single_subscriber_has_no_room() -> None:
    """A message is for all who want it, or waits."""
    world, broker = World(), Broker(buffer=2)
    full = world.out_of(FromTopic(broker=broker, topics="a"))
    member = world.out_of(FromTopic(broker=broker, topics="a", group="g"))
    member.request(MANY)
    source = world.into(ToTopic(broker=broker, topic=lambda n: "a"))
    source.send(1, 2)
    source.send(3, 4)
    assert payloads(member) == [1, 2]
    full.request(1)
    assert payloads(member) == [1, 2, 3]
    full.request(MANY)
    assert payloads(full) == payloads(member) == [1, 2, 3, 4]


def test_slow_subscriber_is_dealt_with_when_its_policy_says_so() -> None:
    """Drops of its own, or disconnected after its time."""
    world, broker = World(), Broker(buffer=2)
    lossy = world.out_of(FromTopic(broker=broker, topics="a", slow=SlowConsumer(overflow="drop_head")))
    timed = world.out_of(FromTopic(broker=broker, topics="a", slow=SlowConsumer(within=1.0)))
    source = world.into(ToTopic(broker=broker, topic="a"))
    source.send(1, 2)
    source.expect_no_request()
    world.advance(1.1)
    assert isinstance(timed.expect_error(), Disconnected)
    source.send(3)
    lossy.request(9)
    assert payloads(lossy) == [2, 3]
    assert broker.count("a") == 1


def test_element_fails_when_it_has_no_topic() -> None:
    """Under resume the others go on; under stop the publisher fails, the broker does not."""
    world, broker = World(), Broker()
    sink = world.out_of(FromTopic(broker=broker, topics="#"))
    sink.request(MANY)
    source = world.into(ToTopic(broker=broker, topic=lambda n: f"a/{10 // n}", on_error="resume"))
    source.send(5, 0, 2)
    assert [message.topic for message in sink.received] == ["a/2", "a/5"]
    assert source.outcomes.failed() == [1]
    assert source.outcomes.stored() == [0, 2]
    strict = world.into(ToTopic(broker=broker))
    strict.send("no message")
    assert isinstance(strict.expect_cancellation(), TypeError)
    sink.expect_next(*sink.received)
    sink.expect_no_signal()


def test_subscribers_complete_when_the_broker_is_drained() -> None:
    """After what waits; publishers are cancelled."""
    world, broker = World(), Broker()
    sink = world.out_of(FromTopic(broker=broker, topics="#"))
    source = world.into(ToTopic(broker=broker, topic="a"))
    source.send(1)
    broker.drain_and_complete()
    world.settle()
    source.expect_cancellation()
    sink.request(9)
    assert payloads(sink) == [1]
    assert sink.completed


@pytest.mark.parametrize("seed", range(25))
def test_everybody_gets_what_it_subscribed_to_when_all_come_and_go(seed: int) -> None:
    """Whatever the schedule: each single subscriber all of its topics, in order, from its coming to its going; each group every
    message once."""
    random = Random(seed)
    world, broker = World(seed), Broker(buffer=8)
    topics = ["a/1", "a/2", "b/1"]
    sources = [world.into(ToTopic(broker=broker, topic=topic)) for topic in topics]
    members = [world.out_of(FromTopic(broker=broker, topics="a/#", group="g")) for _ in range(3)]
    singles: list[tuple[SinkProbe, int]] = []
    sent: list[tuple[str, int]] = []
    for _ in range(250):
        act = random.randint(0, 5)
        if act == 0 and len(singles) < 4:
            singles.append((world.out_of(FromTopic(broker=broker, topics="+/1")), len(sent)))
        elif act == 1:
            place = random.randrange(3)
            if sources[place].demand:
                sources[place].send(len(sent), settle=random.random() < 0.5)
                sent.append((topics[place], len(sent)))
        else:
            for sink in [*members, *(sink for sink, _ in singles)]:
                if random.random() < 0.3:
                    sink.request(random.randint(1, 5), settle=random.random() < 0.5)
        if act == 0:
            world.settle()
    for sink in [*members, *(sink for sink, _ in singles)]:
        sink.request(MANY)
    wanted = [n for topic, n in sent if topic.startswith("a/")]
    assert Counter(n for sink in members for n in payloads(sink)) == Counter(wanted)
    for sink, since in singles:
        for topic in ("a/1", "b/1"):
            got = [message.payload for message in sink.received if message.topic == topic]
            late = [n for name, n in sent if name == topic and n >= since]
            assert got[len(got) - len(late) :] == late
            assert got == sorted(got)


def test_streams_meet_at_a_broker_when_they_run_on_a_loop() -> None:
    """In the DSL: a publisher, two subscribers, and the end."""

    async def world() -> list[Any]:
        broker = Broker()
        parts = [Source.from_topic(broker, topics).map(lambda message: message.payload) for topics in ("n/#", "n/1")]
        runs = [part.to(Sink.collect()).run(AsyncioHost()) for part in parts]
        await Source.from_iterable(range(1000)).to(Sink.to_topic(broker, lambda n: f"n/{n % 3}")).run_async()
        broker.drain_and_complete()
        return [await run.result for run in runs]

    everything, third = asyncio.run(world())
    assert everything == list(range(1000))
    assert third == list(range(1, 1000, 3))


def test_mistake_is_named_when_a_topic_or_a_broker_is_none() -> None:
    """Before anything runs."""
    for make in (
        lambda: FromTopic(broker=Broker(), topics="a/#/b"),
        lambda: ToTopic(broker=Broker(), topic="a/+"),
        lambda: FromTopic(broker=None, topics="a"),
        lambda: ToTopic(broker="x"),
    ):
        with pytest.raises(ConfigError):
            make()

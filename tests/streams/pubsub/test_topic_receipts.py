"""Receipts through topics: a message has the outcome that its subscribers give it; a group counts as one of them."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from rt_edge.data.receipt import STORED, Failed, Outcome
from rt_edge.streams.hubs.ports import SlowConsumer
from rt_edge.streams.pubsub.broker import Broker
from rt_edge.streams.pubsub.from_topic import FromTopic
from rt_edge.streams.pubsub.to_topic import ToTopic
from rt_edge.testkit.probes import SinkProbe
from tests.streams.hubs.hub_world import World
from tests.streams.hubs.receipts import BAD, DEAD, GONE, MANY, die, nothing_is_left

__all__ = ["nothing_is_left"]


def payloads(sink: SinkProbe) -> list[Any]:
    return [message.payload for message in sink.received]


def test_message_has_the_worst_outcome_when_several_have_subscribed() -> None:
    """Each topic with the subscribers of its own; a chunk of several topics is settled element by element."""
    world, broker = World(), Broker()
    all_ = world.out_of(FromTopic(broker=broker, topics="#"), keep=True)
    some = world.out_of(FromTopic(broker=broker, topics="b"), keep=True)
    source = world.into(ToTopic(broker=broker, topic=lambda pair: pair[0]))
    for sink in (all_, some):
        sink.request(MANY)
    source.send(("a", 0), ("b", 1), ("b", 2), ("a", 3))
    all_.settle_all()
    world.settle()
    assert source.outcomes.stored() == [0, 3]
    some.settle_all(BAD)
    world.settle()
    assert source.outcomes.failed() == [1, 2]


def test_copy_has_no_receipt_when_a_message_is_retained() -> None:
    """Who subscribes later holds up nobody's acknowledgement; and the one that was retained has its own outcome."""
    world, broker = World(), Broker()
    source = world.into(ToTopic(broker=broker, topic="a", retain=True))
    source.send(0)
    assert source.outcomes.dropped("no_subscriber") == [0]
    late = world.out_of(FromTopic(broker=broker, topics="#"), keep=True)
    late.request(1)
    assert payloads(late) == [0]
    assert late.held[0].receipt is None
    source.send(1)
    late.request(1)
    assert late.held[1].receipt is not None
    late.settle_all()
    world.settle()
    assert source.outcomes.stored() == [1]


def test_another_member_gets_what_one_had_that_died_when_they_are_a_group() -> None:
    """With the group's identity, so that a durable end of both knows what it has; single subscribers do not notice."""
    world, broker = World(), Broker(buffer=8)
    single = world.out_of(FromTopic(broker=broker, topics="a"))
    dies = world.out_of(FromTopic(broker=broker, topics="a", group="g"), keep=True)
    source = world.into(ToTopic(broker=broker, topic="a"))
    for sink in (single, dies):
        sink.request(2)
    source.send(0, 1, 2, 3)
    single.request(MANY)
    stays = world.out_of(FromTopic(broker=broker, topics="a", group="g"), keep=True)
    assert payloads(dies) == [0, 1]
    first = dies.held[0].receipt
    assert first is not None
    assert first.origin is not None
    assert first.origin.name == "probe/group g"
    die(world, dies)
    del first
    stays.request(MANY)
    assert payloads(stays) == [0, 1, 2, 3]
    assert payloads(single) == [0, 1, 2, 3]
    again = stays.held[0].receipt
    assert again is not None
    assert again.origin is not None
    assert again.origin.name == "probe/group g"
    del again
    assert not source.outcomes.by_mark
    stays.settle_all()
    world.settle()
    assert source.outcomes.stored() == [0, 1, 2, 3]
    assert broker.counters["handed_on"] == 4


@pytest.mark.parametrize("dead", [True, False])
def test_part_of_a_group_is_settled_when_its_last_member_goes(dead: bool) -> None:
    """What waits is dropped if it wanted no more; if it died, all that it had fails, and comes again."""
    world, broker = World(), Broker()
    member = world.out_of(FromTopic(broker=broker, topics="a", group="g"), keep=True)
    source = world.into(ToTopic(broker=broker, topic="a"))
    member.request(1)
    source.send(0, 1)
    if dead:
        die(world, member)
        assert source.outcomes.failed() == [0, 1]
        return
    member.cancel()
    assert source.outcomes.dropped("consumer_left") == [1]
    member.settle_all()
    world.settle()
    assert source.outcomes.stored() == [0]


def test_message_fails_when_a_member_died_with_it_and_the_others_have_gone() -> None:
    """What waited for a member that wanted no more is dropped; what one had that died was never settled by anybody, and fails."""
    world, broker = World(), Broker(buffer=1)
    dies = world.out_of(FromTopic(broker=broker, topics="a", group="g"), keep=True)
    source = world.into(ToTopic(broker=broker, topic="a"))
    dies.request(1)
    source.send(0)
    full = world.out_of(FromTopic(broker=broker, topics="a", group="g"), keep=True)
    source.send(1)
    source.send(2)
    die(world, dies)
    assert not source.outcomes.by_mark
    full.cancel()
    assert source.outcomes.failed() == [0]
    assert source.outcomes.dropped("consumer_left") == [1, 2]


def test_message_is_stored_when_the_broker_has_taken_it_and_the_publisher_settles_early() -> None:
    """By name; the hold of the stage says which it is."""
    world, broker = World(), Broker(unsettled=100)
    sink = world.out_of(FromTopic(broker=broker, topics="a"), keep=True)
    source = world.into(ToTopic(broker=broker, topic="a", settle="early"))
    source.send(0)
    assert source.outcomes.stored() == [0]
    sink.request(1)
    assert sink.held[0].receipt is None
    assert ToTopic(broker=broker, settle="early").holds().elements == 1024
    assert ToTopic(broker=broker).holds().elements == 1124


@pytest.mark.parametrize("block", range(4))
def test_every_message_has_the_outcome_of_its_subscribers_when_all_come_and_go(block: int) -> None:
    """Whatever the schedule: one outcome each, as it was given; stored only if somebody has stored it; nothing is left behind."""
    handed_on = 0
    for seed in range(15 * block, 15 * block + 15):
        handed_on += play(seed).counters["handed_on"]
    assert handed_on > 10


def play(seed: int) -> Broker:
    schedule = Schedule(seed)
    for _ in range(200):
        schedule.act()
    schedule.end()
    schedule.account()
    return schedule.broker


class Schedule:
    """A publisher to three topics, and subscribers of all kinds that come and go, by a seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = random = Random(seed)
        self.world = World(seed)
        self.broker = Broker(buffer=random.choice([2, 8]), window=random.choice([2, 50]), unsettled=random.choice([20, 1000]))
        self.source = self.world.into(ToTopic(broker=self.broker, topic=lambda n: f"t/{n % 3}"))
        self.sinks: list[SinkProbe] = []
        self.given: dict[int, list[Outcome]] = {}

    def settle(self, outcome: Outcome, *sinks: SinkProbe) -> None:
        for sink in sinks:
            for chunk in sink.held:
                for message in chunk.items:
                    self.given.setdefault(message.payload, []).append(outcome)
            sink.settle_all(outcome)

    def act(self) -> None:
        random, act = self.random, self.random.randint(0, 9)
        live = [sink for sink in self.sinks if not sink.ended and not sink.logic.seat.stopped]
        if act == 0 and len(live) < 5:
            slow = SlowConsumer(overflow=random.choice(["backpressure", "backpressure", "drop_head"]))
            group, topics = random.choice(["", "g", "g", "h"]), random.choice(["#", "t/+", "t/1"])
            stage = FromTopic(broker=self.broker, topics=topics, group=group, slow=slow)
            self.sinks.append(self.world.out_of(stage, keep=True))
        elif act == 1 and live and random.random() < 0.4:
            self.go(random.choice(live))
        elif act < 5 and self.source.demand:
            n = random.randint(1, min(4, self.source.demand))
            first = len(self.source.sent)
            self.source.send(*range(first, first + n), settle=random.random() < 0.5)
        elif act < 8:
            for sink in live:
                sink.request(random.randint(1, 5), settle=random.random() < 0.5)
        else:
            self.settle(random.choice([STORED, STORED, GONE, BAD]), *self.sinks)
            self.world.settle()

    def go(self, sink: SinkProbe) -> None:
        if self.random.random() < 0.5:
            sink.cancel()
            return
        sink.logic.seat.engine.stop(DEAD)
        self.settle(Failed(DEAD), sink)
        self.world.settle()

    def end(self) -> None:
        for _ in range(500):
            for sink in self.sinks:
                if not sink.ended and not sink.logic.seat.stopped:
                    sink.request(MANY)
            self.settle(STORED, *self.sinks)
            self.world.settle()
            if len(self.source.outcomes.by_mark) == len(self.source.sent):
                break

    def account(self) -> None:
        outcomes = self.source.outcomes
        assert len(outcomes.by_mark) == len(self.source.sent), f"seed {self.seed}"
        assert not outcomes.again
        for number, outcome in outcomes.by_mark.items():
            said = self.given.get(number, [])
            text = f"seed {self.seed}: {number} counts as {outcome}, and its subscribers said {said}"
            if isinstance(outcome, Failed):
                assert any(isinstance(one, Failed) for one in said) or outcome.error is DEAD, text
            else:
                assert (STORED in said) == (outcome is STORED), text

"""The core of topic actors on a network that repeats, delays and reorders, in simulated time."""

from __future__ import annotations

from random import Random

import pytest

from rt_edge.actors.routers.topic_core import Inbox, TopicCore
from rt_edge.actors.routers.topic_messages import Delivered
from rt_edge.streams.pubsub.broker import Broker, Message
from rt_edge.testkit.simulated_time import SimulatedTime


class Subscriber:
    def __init__(self, world, name, window=4):
        self.world, self.name = world, name
        self.inbox = Inbox(f"life-{name}", window)
        self.got = []
        self.arrivals = 0

    def ask(self):
        total = self.inbox.total
        self.world.later(lambda: self.world.core.demand(self.name, self.inbox.life, total))

    def receive(self, message):
        self.arrivals += 1
        self.got += self.inbox.receive(message)
        self.ask()


class World:
    """Surroundings of one topic actor; its subscribers are named."""

    def __init__(self, seed=None, buffer=8):
        self.time = SimulatedTime()
        self.random = Random(seed)
        self.faulty = seed is not None
        self.core = TopicCore(self, Broker(buffer))
        self.subscribers = {}

    def now(self):
        return self.time.now

    def key(self, address):
        return address

    def later(self, call):
        for _ in range(1 + (self.faulty and self.random.random() < 0.4)):
            self.time.call_later(self.random.random() * 0.1 if self.faulty else 0.0, call)

    def send(self, target, message):
        assert isinstance(message, Delivered)
        self.later(lambda: self.subscribers[target].receive(message))

    def add(self, name, topics, group="", overflow="backpressure", relay=False, asks=True):
        one = self.subscribers.setdefault(name, Subscriber(self, name))
        ack = self.core.subscribe(topics, name, one.inbox.life, group, overflow, relay)
        if asks:
            one.ask()
        return ack, one

    def publish(self, topic, *payloads, operation="", relayed=False, retain=False):
        messages = tuple(Message(topic, payload, retain, relayed=relayed) for payload in payloads)
        return self.core.publish(messages, "publisher", operation)

    def run(self, seconds=5.0):
        self.time.run_until(self.time.now + seconds)


def payloads(one):
    return [message.payload for message in one.got]


@pytest.mark.parametrize("seed", range(20))
def test_messages_arrive_once_and_in_order_when_the_network_repeats_and_reorders(seed):
    """What is not taken is published again under another operation; a repetition of the same is taken once."""
    world = World(seed)
    _, all_ = world.add("all", "#")
    _, some = world.add("some", "a/+")
    world.add("some", "a/1")  # two filters that overlap: one message
    members = [world.add(f"m{n}", "#", group="g")[1] for n in range(2)]
    todo, number = list(range(100)), 0
    while todo:
        number += 1
        batch = todo[:5]
        answers = [world.publish("a/1", *batch, operation=f"p{number}") for _ in range(2)]
        assert answers[0] == answers[1]
        del todo[: answers[0].taken]
        world.run(0.05)
        assert number < 2000
    world.run()
    assert payloads(all_) == payloads(some) == list(range(100))
    assert sorted(payloads(members[0]) + payloads(members[1])) == list(range(100))


def test_subscriber_gets_no_more_than_it_asked_for_when_it_is_slow():
    """Its demand is a sum: an old one changes nothing; the rest waits, then publishers do."""
    world = World(buffer=3)
    _, one = world.add("one", "a", asks=False)
    assert world.publish("a", 1, 2, 3, 4, 5).taken == 3
    world.run()
    assert one.arrivals == 0
    assert world.core.demand("one", one.inbox.life, 2)
    assert world.core.demand("one", one.inbox.life, 1)
    assert not world.core.demand("one", "another life", 99)
    one.ask = lambda: None
    world.run()
    assert payloads(one) == [1, 2]
    assert world.publish("a", 4, 5).taken == 2


def test_one_message_is_sent_when_many_are_published_for_many_filters():
    """Per subscriber, not per filter or message; a subscriber that relays does not get what was relayed."""
    world = World(buffer=100)
    _, node = world.add("node", "#", relay=True)
    world.add("node", "a/+", relay=True)
    _, local = world.add("local", "a/1")
    world.publish("a/1", 1, 2, 3)
    world.run(0.0)
    assert (node.arrivals, payloads(node)) == (1, [1, 2, 3])
    world.publish("a/1", 4, relayed=True)
    world.run(0.0)
    assert payloads(node) == [1, 2, 3]
    assert payloads(local) == [1, 2, 3, 4]


def test_subscription_ends_when_it_is_cancelled_dead_or_of_another_life():
    """And holds up nobody then; a new life begins with what is retained."""
    world = World(buffer=1)
    world.publish("a", "kept", retain=True)
    ack, one = world.add("one", "a", asks=False)
    assert ack.filters == (("a", ""),)
    assert world.publish("a", 1, 2).taken == 1
    world.core.died("one")
    assert world.publish("a", 1, 2).taken == 2
    world.add("one", "a", asks=False)
    world.publish("a", 3)
    one.inbox = Inbox("second", 4)
    world.add("one", "a")
    world.run()
    assert payloads(one) == ["kept"]
    world.add("one", "b")
    assert world.core.unsubscribe("a", "one", "second", "").filters == (("b", ""),)
    assert world.core.unsubscribe("", "one", "second", "").filters == ()
    assert world.core.broker.count("b") == 0


def test_mistake_is_answered_when_a_filter_or_topic_is_none():
    """And nothing is published."""
    world = World()
    assert "# stands only at the end" in world.add("one", "#/a")[0].error
    assert "wildcards" in world.publish("a/+", 1).error
    assert "tumble" in world.add("two", "a", overflow="tumble")[0].error


def test_inbox_refuses_what_was_not_asked_for():
    """More than its window is not of its topic actor."""
    inbox = Inbox("me", 2)
    messages = tuple(Message("a", n) for n in range(3))
    assert inbox.receive(Delivered("me", 0, messages)) == []
    assert inbox.receive(Delivered("other", 0, messages[:1])) == []
    assert inbox.receive(Delivered("me", 1, messages[1:2])) == []
    assert inbox.receive(Delivered("me", 0, messages[:1])) == list(messages[:2])
    assert inbox.total == 4

"""Topic actors and subscribers as processes."""

from __future__ import annotations

import os
import signal

import pytest
import router_cast as cast

from rt_edge.actors.routers.topic_actor import TopicActor
from rt_edge.actors.routers.topic_messages import CountSubscribers, GetTopics, JoinPeer, Publish, Published, Subscribers, Topics
from rt_edge.actors.system import start_node
from rt_edge.streams.pubsub.message import Message
from rt_edge.testkit.faulty_transport import faulty
from rt_edge.testkit.node_process import wait_until

S = 10


def count(node, at, topic):
    return node.ask(at, CountSubscribers(topic), S, Subscribers).count


def seen(node, reader):
    return node.ask(reader, cast.Note(), S, cast.Note).seen


def publish(node, at, topic, payloads, retain=False):
    """All of them: what is not taken is published again."""
    rest = list(payloads)
    for attempt in range(500):
        messages = tuple(Message(topic, payload, retain) for payload in rest)
        done = node.ask(at, Publish(messages, f"{topic}-{payloads[0]}-{attempt}"), S, Published)
        assert not done.error
        rest = rest[done.taken :]
        if not rest:
            return
    raise AssertionError(f"{len(rest)} were never taken")


def test_subscribers_get_what_they_want_when_topics_are_actors(node):
    """Wildcards, groups, retained; the dead and the unsubscribed hold up nobody."""
    at = node.create(TopicActor)
    all_, one, two = (node.create(cast.Reader) for _ in range(3))
    publish(node, at, "a/kept", ["old"], retain=True)
    node.ask(all_, cast.Watch(at, "#"), S, cast.Note)
    for member in (one, two):
        node.ask(member, cast.Watch(at, "a/+", "g"), S, cast.Note)
    wait_until(lambda: count(node, at, "a/1") == 2, S, "all have subscribed")
    publish(node, at, "a/1", list(range(200)))
    wait_until(lambda: len(seen(node, all_)) == 201, S, "all has come")
    assert seen(node, all_) == ["old", *range(200)]
    wait_until(lambda: len(seen(node, one)) + len(seen(node, two)) == 200, S, "the group has had all")
    assert sorted(seen(node, one) + seen(node, two)) == list(range(200))
    assert node.ask(at, GetTopics(), S, Topics).topics == ("a/kept",)
    os.kill(int(node.ask(all_, cast.Note(), S, cast.Note).text), signal.SIGKILL)
    node.ask(one, cast.Leave(at), S, cast.Note)
    publish(node, at, "a/2", list(range(2000, 2200)))
    wait_until(lambda: seen(node, two)[-1] == 2199, S, "the other has had the rest")
    assert count(node, at, "b") == 0


def test_every_node_gets_one_message_when_topic_actors_are_joined(node):
    """Published here, read there, and not sent round in circles."""
    here, there = node.create(TopicActor), node.create(TopicActor)
    readers = [node.create(cast.Reader) for _ in range(3)]
    for reader in readers:
        node.ask(reader, cast.Watch(there, "x/#"), S, cast.Note)
    node.tell(there, JoinPeer(here, "#"))
    node.tell(here, JoinPeer(there, "#"))
    wait_until(lambda: count(node, here, "x/1") == 1, S, "there has subscribed here")
    wait_until(lambda: count(node, there, "x/1") == 4, S, "readers and here have subscribed there")
    publish(node, here, "x/1", list(range(300)))
    for reader in readers:
        wait_until(lambda reader=reader: len(seen(node, reader)) >= 300, S, "all has come")
        assert seen(node, reader) == list(range(300))
    assert node.ask(here, GetTopics(), S, Topics).counters.get("passed_in") == 300


@pytest.mark.parametrize("seed", [1])
def test_messages_arrive_once_when_the_transport_repeats_and_reorders(seed):
    """In order, too."""
    with start_node(transport=faulty(seed=seed, repeat=0.4, delay=0.5)) as node:
        at, reader = node.create(TopicActor), node.create(cast.Reader)
        node.ask(reader, cast.Watch(at, "#"), S, cast.Note)
        wait_until(lambda: count(node, at, "a") == 1, S, "it has subscribed")
        for number in range(0, 200, 10):
            publish(node, at, "a", list(range(number, number + 10)))
        wait_until(lambda: len(seen(node, reader)) >= 200, S, "all has come")
        assert seen(node, reader) == list(range(200))

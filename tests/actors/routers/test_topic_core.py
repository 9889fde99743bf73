"""Topic actors, their publishers and subscribers, without processes: what settles when, and who hears of it."""

from __future__ import annotations

import pytest
from topic_world import Reader, World, Writer, firsts

from rt_edge.actors.routers.topic_codec import MESSAGES
from rt_edge.actors.routers.topic_messages import SubscribeTopic
from rt_edge.data.errors import CodecError, ConfigError
from rt_edge.data.receipt import Failed
from rt_edge.streams.pubsub.broker import Broker
from rt_edge.streams.pubsub.message import Message


def made(seed=None, readers=("one",), topics="#", **more):
    """A world with a topic actor, a writer and these readers, who have subscribed."""
    world = World(seed, **more)
    topic = world.topic()
    writer = world.add(Writer("writer")).to("topic")
    readers = [world.add(Reader(name)) for name in readers]
    for reader in readers:
        reader.subscribe("topic", topics, name=reader.name)
    world.run(1.0)
    return world, topic, writer, *readers


def test_message_is_settled_when_the_last_subscriber_has_settled_it():
    """Not when the topic actor has taken it, and not when the first has."""
    world, _, writer, one, two = made(readers=("one", "two"))
    one.settles = two.settles = False
    writer.write("a", 1, 2)
    world.run(1.0)
    assert one.payloads == two.payloads == [1, 2]
    one.settle()
    world.run(1.0)
    assert writer.outcomes == {}
    assert writer.stream.unsettled == 2
    two.settle()
    world.run(1.0)
    assert writer.stored() == [1, 2]
    assert writer.stream.unsettled == 0


def test_part_of_a_chunk_is_settled_alone_when_a_subscriber_does_so():
    """Outcomes are of messages."""
    world, _, writer, one = made()
    one.settles = False
    writer.write("a", 1, 2, 3)
    world.run(1.0)
    chunk = one.held[0]
    chunk.take([1]).settle()
    chunk.take([2]).drop("unwanted")
    world.run(1.0)
    assert (writer.stored(), writer.dropped("unwanted")) == ([2], [3])
    chunk.settle()
    world.run(1.0)
    assert writer.stored() == [1, 2]


def test_message_is_dropped_when_nobody_has_subscribed():
    """As in one process: counted, and its publisher hears why."""
    world, topic, writer, _ = made(topics="b")
    writer.write("a", 1)
    world.run(1.0)
    assert writer.dropped("no_subscriber") == [1]
    assert topic.core.broker.counters["no_subscriber"] == 1


def test_message_waits_when_a_required_subscriber_is_not_there():
    """It is taken when all are there again, of a group one; the publisher keeps it."""
    world = World()
    world.topic(required=("one", "group g"))
    writer = world.add(Writer("writer")).to("topic")
    one, member = world.add(Reader("one")), world.add(Reader("member"))
    one.subscribe("topic", "#", name="one")
    writer.write("a", 1)
    world.run(2.0)
    assert (writer.outcomes, one.disk) == ({}, [])
    member.subscribe("topic", "#", "g")
    world.run(1.0)
    assert (writer.stored(), one.disk, member.disk) == ([1], [1], [1])
    world.kill(one)
    writer.write("a", 2)
    world.run(5.0)
    assert writer.stored() == [1]
    again = world.add(Reader("again", one.disk))
    again.subscribe("topic", "#", name="one")
    world.run(2.0)
    assert (writer.stored(), one.disk) == ([1, 2], [1, 2])


def test_message_fails_in_the_end_when_a_subscriber_fails_it_every_time():
    """After so many attempts; what comes behind it is not held up, and others get it again."""
    world, _, writer, one, two = made(readers=("one", "two"))
    one.bad = {2}
    writer.write("a", 1, 2, 3)
    world.run(10.0)
    assert writer.stored() == [1, 3]
    assert isinstance(writer.outcomes[2], Failed)
    assert two.disk.count(2) == 5
    assert one.disk == [1, 3]


def test_publisher_has_no_room_when_too_much_is_not_settled():
    """Its window, the broker's buffers and the subscriber's window bound what is under way; then nothing is taken."""
    world = World()
    topic = world.topic(broker=lambda: Broker(buffer=4))
    writer = world.add(Writer("writer")).to("topic", window=64)
    one = world.add(Reader("one", settles=False))
    one.subscribe("topic", "#")
    world.run(1.0)
    assert writer.write("a", *range(100)) == 64
    world.run(3.0)
    assert writer.stream.room == 0
    assert len(one.payloads) == one.window
    assert max(len(port.queue) for port in topic.core.broker._consumers) <= 4
    for _ in range(20):
        one.settle()
        world.run(1.0)
    assert writer.stored() == one.disk
    assert writer.stream.room == 64 - writer.stream.unsettled
    one.settles = True
    while one.held:
        one.settle()
    world.run(5.0)
    assert writer.stored() == one.disk == list(range(64))
    assert one.most <= one.window


def test_group_member_that_lives_gets_what_a_dead_one_had():
    """Also what had arrived there, and nobody sends anything: silence is looked into."""
    world, _, writer = made(readers=())
    dies, lives = world.add(Reader("dies", settles=False)), world.add(Reader("lives"))
    dies.subscribe("topic", "#", "g")
    world.run(1.0)
    writer.write("a", *range(40))
    world.run(1.0)
    assert len(dies.payloads) == 16
    lives.subscribe("topic", "#", "g")
    world.run(0.5)
    world.kill(dies)
    world.run(5.0)
    assert lives.disk == list(range(40))
    assert writer.stored() == list(range(40))


def test_subscriber_keeps_what_it_has_when_it_unsubscribes():
    """It still settles that; what waits for it is dropped for its part."""
    world, topic, writer, one = made()
    one.settles = False
    writer.write("a", *range(20))
    world.run(1.0)
    one.unsubscribe("topic")
    world.run(1.0)
    assert writer.dropped("consumer_left") == [16, 17, 18, 19]
    assert topic.core.broker.count("a") == 0
    assert writer.stored() == []
    one.settle()
    world.run(3.0)
    assert writer.stored() == list(range(16))
    assert len(topic.desk) == 1
    assert len(one.desk) == 0
    one.subscribe("topic", "b")
    one.settles = True
    world.run(1.0)
    writer.write("b", 99)
    world.run(1.0)
    assert one.disk[-1] == 99


def test_memory_is_bounded_when_many_come_and_go():
    """Of those who have left nothing is kept but a few names."""
    world, topic, writer = made(readers=())
    for n in range(700):
        guest = world.add(Reader(f"guest-{n}"))
        guest.subscribe("topic", "a")
        world.run(0.02)
        guest.unsubscribe("topic")
        world.run(0.02)
        world.kill(guest)
    world.run(5.0)
    desk = topic.desk
    assert len(desk) == 1
    for kept in (desk._names, desk._homes, desk._wires, desk._heard, desk.office._queues):
        assert len(kept) < 300
    writer.write("a", 1)
    world.run(1.0)
    assert writer.dropped("no_subscriber") == [1]


def test_outcome_travels_from_node_to_node_when_topic_actors_are_joined():
    """The publisher of one node waits for the subscribers of the other; nothing goes round in circles."""
    world, here, writer, one = made()
    there = world.topic("there")
    far = world.add(Reader("far", settles=False))
    far.subscribe("there", "#")
    there.subscribe("topic", "#", relay=True)
    here.subscribe("there", "#", relay=True)
    world.run(1.0)
    writer.write("a", 1, 2)
    world.run(2.0)
    assert (one.disk, far.payloads) == ([1, 2], [1, 2])
    assert writer.outcomes == {}
    far.settle()
    world.run(1.0)
    assert writer.stored() == [1, 2]
    world.kill(there)
    far.settles = True
    writer.write("a", 3)
    world.run(5.0)
    assert writer.stored() == [1, 2, 3]


def test_new_topic_actor_gets_what_the_dead_one_had_taken():
    """From the publishers, who kept it; in order, and nothing is told twice."""
    world, topic, writer, one = made()
    one.settles = False
    writer.write("a", *range(30))
    world.run(1.0)
    world.kill(topic)
    one.settle()  # nobody hears that
    world.run(1.0)
    assert writer.outcomes == {}
    world.topic("second", required=("one",))
    one.settles = True
    writer.moved("topic", "second")
    world.run(1.0)
    one.moved("topic", "second")
    world.run(5.0)
    assert writer.stored() == list(range(30))
    assert firsts(one.disk) == list(range(30))


def test_retained_message_comes_first_when_somebody_subscribes():
    """As a copy that nobody waits for."""
    world, topic, writer, _ = made()
    writer.write("a/kept", "old", retain=True)
    world.run(1.0)
    late = world.add(Reader("late"))
    late.subscribe("topic", "a/+")
    world.run(1.0)
    assert late.disk == ["old"]
    assert topic.core.broker.topics() == ("a/kept",)


def test_mistake_is_answered_when_a_filter_or_topic_is_none():
    """And nothing is published."""
    world, topic, writer, one = made()
    assert "# stands only at the end" in topic.core.subscribe(SubscribeTopic("#/a", "life"), "two").error
    assert "tumble" in topic.core.subscribe(SubscribeTopic("a", "life", overflow="tumble"), "two").error
    assert "wildcards" in topic.core.publish((Message("a/+", 1),), "writer").error
    assert "plain data" in topic.core.publish((Message("a", object()),), "writer").error
    with pytest.raises(ConfigError, match="wildcards"):
        writer.write("a/+", 1)
    with pytest.raises(ConfigError, match="not World"):
        writer.write("a", world)
    assert topic.core.publish((Message("a", 1),), "writer", "once").taken == 1
    assert topic.core.publish((Message("a", 1),), "writer", "once").taken == 1
    world.run(1.0)
    assert one.disk == [1]


def test_messages_survive_the_wire():
    """All flags, and any plain payload; what is no message is refused."""
    messages = [Message("a", {"x": [1, b"2", None]}, True, False, True, "k"), Message("b", 1.5, retained=True)]
    assert MESSAGES.decode(MESSAGES.encode(messages)) == messages
    with pytest.raises(CodecError):
        MESSAGES.decode(b"\xc1")

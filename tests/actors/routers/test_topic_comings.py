"""Who comes, goes, moves, repeats itself, or makes mistakes at a topic actor: nothing is left behind or stuck."""

from __future__ import annotations

from functools import partial

import pytest
from topic_world import Reader, World, Writer

from rt_edge.actors.routers import stream_desk
from rt_edge.actors.routers.topic_codec import MESSAGE_BYTES
from rt_edge.actors.routers.topic_core import IDLE_S
from rt_edge.actors.routers.topic_messages import GetTopics, SubscribeTopic, Topics
from rt_edge.data.errors import BufferOverflow, ConfigError
from rt_edge.data.receipt import Failed, Origin, Receipt, Stored
from rt_edge.streams.pubsub.broker import Broker
from rt_edge.streams.pubsub.lanes import LostLaps
from rt_edge.streams.pubsub.message import Message
from rt_edge.testkit.probes import Outcomes


def made(seed=None, **more):
    """A world with a topic actor, a writer, and a reader of everything."""
    world = World(seed, **more)
    topic = world.topic()
    writer = world.add(Writer("writer")).to("topic")
    one = world.add(Reader("one"))
    one.subscribe("topic", "#", name="one")
    world.run(30.0)
    return world, topic, writer, one


@pytest.mark.parametrize("seed", range(8))
def test_nothing_is_left_of_one_who_comes_and_goes_when_messages_are_lost_and_repeated(seed):
    """No stream at either end, no subscription that a late repetition has brought back, and nobody waits for it."""
    world, topic, writer, one = made(seed, loss=0.25, repeat=0.3)
    guest = world.add(Reader("guest"))
    for turn in range(40):
        guest.subscribe("topic", "#")
        world.run(world.random.random() * 0.3)
        if turn % 2:
            writer.write("a", turn)
        guest.unsubscribe("topic")
        world.run(world.random.random() * 0.3)
    world.run(60.0)
    assert (len(topic.desk), len(guest.desk), guest._inboxes) == (2, 0, [])
    assert topic.core.broker.count("a") == 1
    before = len(guest.disk)
    writer.write("a", *range(100, 200))
    world.run(60.0)
    assert len(guest.disk) == before
    assert len(writer.outcomes) == 120
    assert len(one.disk) >= 120


def test_late_repetition_brings_nobody_back_when_it_has_unsubscribed():
    """What it has still has its outcome, and publishers do not wait for somebody who is not there."""
    world, topic, writer, _ = made()
    guest = world.add(Reader("guest", settles=False))
    guest.subscribe("topic", "#")
    world.run(1.0)
    writer.write("a", *range(5))
    world.run(1.0)
    life = guest._inboxes[0].life
    guest.unsubscribe("topic")
    world.run(0.5)
    topic.on_SubscribeTopic(SubscribeTopic("#", life), "guest")
    world.run(10.0)
    guest.settle()
    world.run(30.0)
    assert guest._inboxes == []  # nobody is there to say no
    topic.on_SubscribeTopic(SubscribeTopic("#", life), "guest")
    writer.write("a", *range(5, 400))
    world.run(30.0)
    assert writer.stored() == list(range(400))
    assert topic.core.broker.count("a") == 1
    assert guest.disk == list(range(5))


def test_filter_stays_away_when_the_word_that_it_is_not_wanted_was_lost():
    """The answer to what is said again shows it."""
    world, topic, _, one = made()
    one.subscribe("topic", "b")
    world.run(1.0)
    one.send, send = lambda *_: None, one.send
    one.unsubscribe("topic", "b")
    one.send = send
    assert topic.core.broker.count("b") == 1
    world.run(10.0)
    port = topic.core._subscriptions["one"].port
    assert topic.core.broker.filters(port) == (("#", ""),)


def test_subscription_lives_on_when_one_filter_goes_before_the_other_has_come():
    """They arrive in any order."""
    world, _, writer, _ = made()
    two = world.add(Reader("two"))
    two.subscribe("topic", "a")
    world.run(1.0)
    two.send, send = lambda *_: None, two.send
    two.subscribe("topic", "b")  # on its way for long
    two.send = send
    two.unsubscribe("topic", "a")
    world.run(10.0)
    writer.write("b", 1)
    world.run(1.0)
    assert two.disk == [1]


def test_many_filters_of_one_subscriber_are_said_again_in_one_message():
    """As many messages would have no room in an outbox, and their answers had all filters."""
    world, topic, writer, _ = made()
    many = world.add(Reader("many"))
    for n in range(600):
        many.subscribe("topic", f"t/{n}", "g" if n % 2 else "")
    many.unsubscribe("topic", "t/7", "g")
    world.run(1.0)
    world.sent.clear()
    topic.core._end("many", ValueError("forgotten"))
    world.run(6.0)
    said = [message for message in world.sent if isinstance(message, SubscribeTopic) and message.topics != "#"]
    assert [(len(message.more), message.whole) for message in said] == [(598, True)]
    writer.write("t/7", 7)
    writer.write("t/599", 599)
    world.run(1.0)
    assert many.disk == [599]


def test_dead_are_forgotten_when_nothing_is_published():
    """A topic actor has room for so many, and nobody says that an actor has died."""
    world, topic, _, _ = made()
    for n in range(20):
        guest = world.add(Reader(f"guest-{n}"))
        guest.subscribe("topic", f"rare/{n}")
        world.run(0.05)
        world.kill(guest)
    assert len(topic.desk) == 22
    world.run(2 * IDLE_S + 5.0)
    assert (len(topic.desk), list(topic.core._subscriptions)) == (2, ["one"])


def test_nothing_is_kept_of_the_dead_who_had_open_messages():
    """Neither a stream nor a queue of last words."""
    world, topic, writer, _ = made(seed=3)
    for n in range(120):
        guest, other = world.add(Reader(f"guest-{n}", settles=False)), world.add(Writer(f"writer-{n}")).to("topic")
        guest.subscribe("topic", "#")
        other.write("a", *range(3))
        world.run(world.random.random() * 0.1)
        world.kill(guest)
        world.kill(other)
    world.run(2 * IDLE_S + 5.0)
    desk, broker = topic.desk, topic.core.broker
    alive = ("writer", "one")
    for kept in (desk._engines, desk._names, desk._homes, desk._wires, desk._heard, desk.office._queues, desk.office._wires):
        assert len(kept) <= len(alive)
    assert (broker._open, len(broker._consumers), len(broker._producers)) == (0, 1, 2)
    writer.write("b", 1)
    world.run(20.0)
    assert writer.stored() == [1]


def test_required_subscriber_is_missing_when_it_was_disconnected():
    """Its policy says so; nothing further passes it by until it has come again."""
    world = World()
    topic = world.topic(broker=lambda: Broker(buffer=4), required=("one",))
    writer = world.add(Writer("writer")).to("topic")
    one = world.add(Reader("one", settles=False))
    one.subscribe("topic", "#", overflow="fail", name="one")
    world.run(1.0)
    writer.write("a", *range(100))
    world.run(2.0)
    assert topic.core.missing == ("one",)
    before = set(writer.outcomes)
    writer.write("a", 100)
    world.run(1.0)
    assert set(writer.outcomes) == before
    one.settles = True
    while one.held:
        one.settle()
    world.run(10.0)
    assert topic.core.missing == ()
    assert one.disk[-1] == 100


def test_publisher_goes_on_when_whoever_is_told_an_outcome_raises():
    """It is a mistake of one, and is reported; the others hear theirs."""
    world, _, writer, one = made()
    outcomes = []

    def raises(_):
        raise ValueError("a mistake")

    writer.stream.offer(Message("a", 1), raises)
    writer.stream.offer(Message("a", 2), outcomes.append)
    world.run(1.0)
    writer.stream.offer(Message("a", 3), outcomes.append)
    world.run(1.0)
    assert [type(outcome) for outcome in outcomes] == [Stored, Stored]
    assert one.disk == [1, 2, 3]
    assert [str(error) for error in writer.errors] == ["a mistake"]


def test_message_that_cannot_travel_takes_no_others_along():
    """It fails for what is wrong with it, and those beside it are published."""
    world, _, writer, one = made()
    deep = []
    for _ in range(5000):
        deep = [deep]
    outcomes = {}
    bad = {"object": [object()], "long": 1 << 70, "text": "\ud800", "deep": deep, "large": bytes(MESSAGE_BYTES)}
    for name, payload in {"a": 1, **bad, "b": 2}.items():
        writer.stream.offer(Message("a", payload), partial(outcomes.__setitem__, name))
    writer.stream.offer(Message("a", 3), partial(outcomes.__setitem__, "c"))
    world.run(20.0)
    assert sorted(one.disk) == [1, 2, 3]
    assert {name for name, outcome in outcomes.items() if isinstance(outcome, Failed)} == set(bad)
    assert "8,388,608 at most" in str(outcomes["large"])
    assert not writer.stream.ended
    assert len(outcomes) == 8


def test_moved_to_a_topic_actor_that_is_used_already():
    """One subscription is left, with all filters, and what was not settled at the old one is published there."""
    world = World()
    old, new = world.topic("old"), world.topic("new")
    writers = [world.add(Writer(name)).to(name[2:]) for name in ("w-old", "w-new")]
    reader = world.add(Reader("reader"))
    reader.subscribe("old", "a")
    reader.subscribe("new", "b")
    world.run(1.0)
    world.kill(old)
    writers[0].write("a", *range(3))
    for actor in (writers[0], reader):
        actor.moved("old", "new")
    for n in range(3, 10):
        writers[0].write("a", n)
        writers[1].write("b", -n)
        world.run(2.0)
    assert [len(writer.stored()) for writer in writers] == [10, 7]
    assert sorted(reader.disk) == [*range(-9, -2), *range(10)]
    assert (len(new.desk), len(reader.desk)) == (3, 1)


def test_nothing_is_kept_of_a_stream_when_there_are_too_many(monkeypatch):
    """Whoever asked is told, each time it asks."""
    monkeypatch.setattr(stream_desk, "STREAMS_MOST", 3)
    _, topic, _, _ = made()
    answers = [topic.core.open_publisher(f"p{n}", f"p>{n}").error for n in range(50)]
    assert [bool(error) for error in answers] == [False] + 49 * [True]
    assert len(topic.desk.office._wires) == 3


def test_publisher_is_told_when_the_broker_has_as_many_as_it_can_have(monkeypatch):
    """Not only the log of the topic actor."""
    _, topic, _, _ = made()
    monkeypatch.setattr(topic.core.broker, "producers_most", topic.core.broker.producers)
    assert "publishers already" in topic.core.open_publisher("p", "p>1").error


def test_publishers_of_one_actor_have_names_of_their_own():
    """A durable end knows their messages by that."""
    world, _, writer, _ = made()
    assert [writer.publisher("topic").name for _ in range(2)] == ["writer-2", "writer-3"]
    with pytest.raises(ConfigError, match="writer-2 already"):
        writer.publisher("topic", name="writer-2")
    writer.stream.close()
    world.run(1.0)
    assert writer.publisher("topic").name == "writer"


def test_who_is_missing_is_said_when_nothing_is_taken(caplog):
    """In the log, and to whoever asks."""
    world = World()
    topic = world.topic(required=("one", "group g"))
    asker = world.add(Reader("asker"))
    heard = []
    asker.on_Topics = lambda message, _: heard.append(message)
    topic.on_GetTopics(GetTopics(7), "asker")
    world.run(1.0)
    assert heard == [Topics(7, (), heard[0].counters, ("one", "group g"))]
    assert "nothing is taken from publishers before these have subscribed: one, group g" in caplog.text
    asker.subscribe("topic", "#", name="one")
    asker.subscribe("topic", "x", "g")
    world.run(1.0)
    assert topic.core.missing == ()


def test_subscriber_still_says_what_it_wants_when_once_there_was_no_room_for_it():
    """A full outbox raises."""
    world, _, writer, one = made()
    full = [True]
    send = one.send

    def sends(target, message):
        if full and isinstance(message, SubscribeTopic):
            raise BufferOverflow("too many wait")
        send(target, message)

    one.send = sends
    with pytest.raises(BufferOverflow):
        world.run(6.0)
    one.subscribe("topic", "b")  # said later
    full.clear()
    world.actors["topic"].core._subscriptions.clear()  # it has forgotten it
    world.actors["topic"].desk.stop(one._inboxes[0].life)
    world.run(10.0)
    writer.write("a", 1)
    world.run(1.0)
    assert one.disk == [1]


def test_subscriber_subscribes_anew_when_its_stream_has_failed():
    """What had come fails with it, and comes again."""
    world, _, writer, one = made()
    one.settles = False
    writer.write("a", 1, 2)
    world.run(1.0)
    one.desk.stop(one._inboxes[0].life, ValueError("a mistake in a stage"))
    one.held.clear()
    one.settles = True
    world.run(15.0)
    assert one.disk == [1, 2]
    assert writer.stored() == [1, 2]


def test_lost_laps_are_told_apart_when_two_lives_have_one_name():
    """The earlier one may still be on its way."""
    laps = LostLaps()
    lives = [Origin("w", life) for life in ("a", "b")]
    for origin in lives:
        laps.note(origin)
    receipts = [Receipt(range(1), Outcomes(), origin) for origin in (*lives, lives[0].next_lap())]
    assert [laps.has(one) for one in receipts] == [True, True, False]
    for one in receipts:
        one.settle()

"""The order of a key in a group, also behind a member that has gone; and of a lap, where messages died."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.errors import IslandDied
from rt_edge.data.receipt import Failed
from rt_edge.streams.hubs.deliveries import TRIES
from rt_edge.streams.pubsub.broker import Broker
from rt_edge.streams.pubsub.from_topic import FromTopic
from rt_edge.streams.pubsub.message import Message
from rt_edge.streams.pubsub.to_topic import ToTopic
from rt_edge.testkit.probes import SinkProbe
from tests.streams.hubs.hub_world import World
from tests.streams.hubs.receipts import MANY, die, nothing_is_left

__all__ = ["nothing_is_left"]


def payloads(sink: SinkProbe) -> list[Any]:
    return [message.payload for message in sink.received]


def member(world: World, broker: Broker, n: int = MANY) -> SinkProbe:
    sink = world.out_of(FromTopic(broker=broker, topics="#", group="g"), keep=True)
    sink.request(n)
    return sink


def test_messages_of_a_key_go_to_one_member_as_long_as_it_has_some() -> None:
    """Then to whoever has most room; other keys, and messages without one, go elsewhere meanwhile."""
    world, broker = World(), Broker()
    one, two = member(world, broker), member(world, broker)
    source = world.into(ToTopic(broker=broker))
    for n in range(4):
        source.send(Message("a", f"k{n}", key="k"))
        source.send(Message("a", f"l{n}", key="l"))
    assert [payloads(one), payloads(two)] == [["k0", "k1", "k2", "k3"], ["l0", "l1", "l2", "l3"]]
    for n in range(4):
        source.send(Message("a", n))
    assert len(payloads(one)) == len(payloads(two)) == 6
    assert len(broker._lanes) == 2
    one.settle_all()
    two.settle_all()
    world.settle()
    assert len(broker._lanes) == 0
    assert len(source.outcomes.stored()) == 12


def test_topic_is_the_key_when_the_broker_says_so() -> None:
    """Of messages that have none."""
    world, broker = World(), Broker(group_order="topic")
    one, two = member(world, broker), member(world, broker)
    source = world.into(ToTopic(broker=broker))
    source.send(*(Message("a", n) for n in range(4)))
    source.send(*(Message("b", n) for n in range(4, 8)))
    source.send(*(Message("a", n) for n in range(8, 12)))
    assert [payloads(one), payloads(two)] == [[0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7]]
    one.settle_all()
    two.settle_all()
    world.settle()


@pytest.mark.parametrize("dead", [True, False])
def test_nothing_overtakes_what_a_member_had_that_goes(dead: bool) -> None:
    """Later ones of its key wait until the fate of all that it had is known; other keys do not wait."""
    world, broker = World(), Broker(group_order="topic")
    goes = member(world, broker, 2)
    source, elsewhere = world.into(ToTopic(broker=broker)), world.into(ToTopic(broker=broker))
    source.send(*(Message("a", n) for n in range(4)))
    stays = member(world, broker)
    if dead:
        die(world, goes)
        assert payloads(stays) == [0, 1, 2, 3]
    else:
        goes.cancel()
        source.send(Message("a", 4))
        elsewhere.send(Message("b", 5))
        assert payloads(stays) == [5], "2 and 3 waited for it, and nobody knows what becomes of 0 and 1"
        goes.settle_all(Failed(IslandDied("behind it")))
        world.settle()
        assert payloads(stays) == [5, 0, 1, 2, 3, 4]
    stays.settle_all()
    world.settle()
    assert source.outcomes.stored() == [*range(4 if dead else 5)]
    assert elsewhere.outcomes.stored() == ([] if dead else [0])
    assert len(broker._lanes) == 0


def test_publisher_goes_on_when_the_lane_of_a_full_member_is_empty() -> None:
    """Though that member takes nothing: another one may get it now."""
    world, broker = World(), Broker(buffer=1)
    full = member(world, broker, 1)
    source = world.into(ToTopic(broker=broker))
    source.send(Message("a", 0, key="k"))
    source.send(Message("a", 1, key="m"))
    other = member(world, broker)
    source.send(Message("a", 2, key="k"))
    assert [payloads(full), payloads(other)] == [[0], []]
    full.settle_all()
    world.settle()
    assert [payloads(full), payloads(other)] == [[0], [2]]
    full.request(1)
    for sink in (full, other):
        sink.settle_all()
    world.settle()
    assert source.outcomes.stored() == [0, 1, 2]


def test_rest_of_a_lap_is_refused_when_messages_of_it_died_with_a_subscriber() -> None:
    """They would overtake what comes again, at a subscriber that is there again."""
    world, broker = World(), Broker(refuse_overtaking=True)
    dies = world.out_of(FromTopic(broker=broker, topics="a"), keep=True)
    slow = world.out_of(FromTopic(broker=broker, topics="a"), keep=True)
    source = world.into(ToTopic(broker=broker, topic="a"))
    for sink in (dies, slow):
        sink.request(MANY)
    source.send(0, 1)
    dies.logic.seat.engine.stop(IslandDied("killed"))
    for chunk in dies.held:
        chunk.fail(IslandDied("killed"))
    dies.held.clear()
    again = world.out_of(FromTopic(broker=broker, topics="a"), keep=True)
    again.request(MANY)
    world.settle()
    source.send(2)
    assert payloads(again) == []
    assert source.outcomes.failed() == [2], "and the slow one has not said anything of 0 and 1"
    slow.settle_all()
    world.settle()
    assert source.outcomes.failed() == [0, 1, 2]


def test_nothing_behind_a_message_is_handed_on_when_the_group_has_given_that_up() -> None:
    """Several members have died with it: it fails, and so does what waited behind it; both come again, in order."""
    world, broker = World(), Broker(group_order="topic", refuse_overtaking=True)
    last = member(world, broker, 1)
    source = world.into(ToTopic(broker=broker, topic="a"))
    source.send(0, 1)
    for _ in range(TRIES + 1):
        assert payloads(last) == [0]
        after = member(world, broker, 1)
        die(world, last, IslandDied("killed"))
        last = after
    assert payloads(last) == []
    assert source.outcomes.failed() == [0, 1]

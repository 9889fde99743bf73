"""Streams that ask router actors, from another actor and inside the router: order, failures, silence, room."""

from __future__ import annotations

import router_cast as cast
from router_world import World, settings

from rt_edge.actors.routers.asking import GRACE_S, RouterAsked
from rt_edge.actors.routers.messages import RouteAnswer, RouteAsk
from rt_edge.actors.routers.stream_actor import CoreAsked
from rt_edge.streams.routing.asking import NoAnswer
from rt_edge.testkit.simulated_time import SimulatedTime


def test_stream_of_an_actor_asks_a_router_when_both_are_processes(node):
    """In order, though three routees work; one that dies takes its element along, and the stream goes on."""
    router, streaming = node.create(cast.Pool), node.create(cast.Streaming)
    elements = [*range(20), "die", *range(20, 40)]
    found = node.ask(streaming, cast.RunStream(router, elements), 20, cast.Note).seen
    assert [payload for _, payload in found] == list(range(40))
    assert len({pid for pid, _ in found}) >= 3


class Loop:
    """The loop of an actor, in simulated time; messages to the router are kept."""

    def __init__(self):
        self.time = SimulatedTime()
        self.loop = self

    def call_later(self, seconds, function, *args):
        return self.time.call_later(seconds, lambda: function(*args))

    def to_actor(self, item):
        item()


def asked(sent, **kwargs):
    loop = Loop()
    return loop, RouterAsked(loop, sent.append, "s1", **{"window": 2, "timeout": 5.0, **kwargs})


def test_window_bounds_what_is_open_when_the_router_is_slow():
    """Two at a time; an answer gives room and says so, its repetition does neither."""
    sent, told, freed = [], [], []
    _, desk = asked(sent)
    desk.listen(lambda: freed.append(desk.credit()))
    for n in range(2):
        desk.ask(n, lambda answer, error: told.append((answer, error)))
    assert desk.credit() == 0
    assert [(m.payload, m.timeout) for m in sent] == [(0, 5.0), (1, 5.0)]
    assert isinstance(sent[0], RouteAsk)
    for _ in range(2):
        desk.answered(RouteAnswer(sent[1].operation, "b"))
    assert (told, freed, desk.credit()) == ([("b", None)], [1], 1)
    desk.answered(RouteAnswer(sent[0].operation, None, "NoAnswer: nobody", "RTE322"))
    assert "nobody" in str(told[1][1])


def test_question_fails_when_the_router_is_dead():
    """It says nothing: after its time and a second of grace the element fails, and there is room again."""
    sent, told = [], []
    loop, desk = asked(sent)
    desk.ask(1, lambda *answer: told.append(answer))
    loop.time.run_until(5.0 + GRACE_S - 0.01)
    assert told == []
    loop.time.run_until(5.0 + GRACE_S + 0.01)
    assert isinstance(told[0][1], NoAnswer)
    assert desk.credit() == 2


def test_question_that_is_given_up_is_not_answered():
    """Its room is free at once."""
    sent, told = [], []
    _, desk = asked(sent)
    desk.ask(1, lambda *answer: told.append(answer))()
    desk.answered(RouteAnswer(sent[0].operation, "late"))
    assert (told, desk.credit()) == ([], 2)


def test_room_of_a_router_is_that_of_its_routees():
    """The sum where one works on a message, the least where all do; less what waits, and nothing without routees."""
    world = World(settings(strategy="most_demand", window=3))
    assert world.core.credit() == 0
    world.group(2)
    assert world.core.credit() == 6
    world.core.tell("x", "me")
    assert world.core.credit() == 5
    everyone = World(settings(strategy="broadcast", window=3))
    one, _ = everyone.group(2)
    assert everyone.core.credit() == 3
    everyone.core.remove(everyone.core.find(one).name)
    everyone.core.broadcast("x", "me")
    assert everyone.core.credit() == 2
    assert World(settings(strategy="most_demand", window=100, queue=7)).core.credit() == 0


def test_freed_is_told_when_a_routee_is_done_comes_or_comes_back():
    """Whoever listens asks for more then."""
    world = World(settings(strategy="most_demand", window=1))
    heard = []
    desk = CoreAsked(world.core, 5.0, str)
    end = desk.listen(lambda: heard.append(desk.credit()))
    world.group(1)
    assert heard[-1] == 1
    world.core.tell("x", "me")
    assert desk.credit() == 0
    world.run(1.0)
    assert heard[-1] == 1
    end()
    before = len(heard)
    world.group(1)
    assert len(heard) == before

"""Routers and routees as processes, on Thespian's transport, and on one that repeats, delays and reorders."""

from __future__ import annotations

import os
import signal
from collections import Counter

import pytest
import router_cast as cast

from rt_edge.actors.routers.messages import (
    AddRoutee,
    AdjustPoolSize,
    Broadcast,
    GetRoutees,
    RemoveRoutee,
    RouteAnswer,
    RouteAsk,
    Routees,
    RouteTell,
    SetPriority,
    StopRoutees,
    Subscribed,
)
from rt_edge.actors.system import start_node
from rt_edge.testkit.faulty_transport import faulty
from rt_edge.testkit.node_process import wait_until

S = 10


def ask(node, router, payload, operation, timeout=5.0):
    return node.ask(router, RouteAsk(payload, operation, timeout), S, RouteAnswer)


def routees(node, router):
    return node.ask(router, GetRoutees(), S, Routees)


def test_pool_works_and_heals_when_a_routee_is_killed(node):
    """Three processes share the work; one that dies fails its question, and is replaced under its name."""
    router = node.create(cast.Pool)
    pids = Counter(ask(node, router, n, f"q{n}").payload[0] for n in range(6))
    assert len(pids) == 3
    assert "died" in ask(node, router, "die", "death").error
    assert "ValueError: as told" in ask(node, router, "fail", "failure").error
    wait_until(lambda: all(r.state == "running" for r in routees(node, router).routees), S, "all are up")
    info = routees(node, router)
    assert sorted(r.name for r in info.routees) == ["Pool-1", "Pool-2", "Pool-3"]
    assert sum(r.starts for r in info.routees) == 4
    assert info.counters["deaths"] == 1
    for _ in range(2):  # told twice, done once
        node.tell(router, AdjustPoolSize(-2, "shrink"))
    wait_until(lambda: len(routees(node, router).routees) == 1, S, "one is left")
    assert not ask(node, router, "x", "last").error
    node.tell(router, StopRoutees())
    wait_until(lambda: not routees(node, router).routees, S, "none is left")
    assert "NoAnswer" in ask(node, router, "x", "nobody", timeout=0.2).error


def test_pool_follows_the_pressure_when_it_has_a_resizer(node):
    """It grows to its bound while all are busy and work waits, not beyond it on order, and shrinks when there is none."""
    router = node.create(cast.Elastic)
    assert ask(node, router, "x", "first").payload[1] == "x"
    for _ in range(30):
        node.tell(router, RouteTell("busy"))
    wait_until(lambda: len(routees(node, router).routees) == 3, S, "it has grown")
    node.tell(router, AdjustPoolSize(5, "more"))
    assert len(routees(node, router).routees) == 3
    wait_until(lambda: len(routees(node, router).routees) == 1, S, "it has shrunk")
    assert not ask(node, router, "x", "last").error


def test_group_obeys_when_it_is_managed_by_message(node):
    """The most important gets the work; priorities change live; one that is removed gets no more."""
    router = node.create(cast.Ranked)
    one, two = node.create(cast.Worker), node.create(cast.Worker)
    for address, name, priority in ((one, "one", 5), (two, "two", 1)):
        assert not node.ask(router, AddRoutee(address, name, priority=priority), S, Subscribed).error
    pids = [int(node.ask(at, cast.Note(), S, cast.Note).text) for at in (one, two)]
    assert ask(node, router, "x", "q1").payload[0] == pids[0]
    node.tell(router, SetPriority("two", 9))
    assert ask(node, router, "x", "q2").payload[0] == pids[1]
    node.tell(router, RemoveRoutee("two"))
    wait_until(lambda: [r.name for r in routees(node, router).routees] == ["one"], S, "it has left")
    assert ask(node, router, "x", "q3").payload[0] == pids[0]


def test_group_routes_by_content_when_actors_subscribe(node):
    """Subscribed actors get what they want; one that is killed is noticed, one that unsubscribes gets no more."""
    router = node.create(cast.Group)
    hot, all_ = node.create(cast.Subscriber), node.create(cast.Subscriber)
    assert node.ask(hot, cast.Join(router, "hot", "t > 80"), S, cast.Note).text == "hot"
    assert node.ask(router, AddRoutee(all_, "all"), S, Subscribed) == Subscribed("all")
    assert "there is a routee" in node.ask(router, AddRoutee(node.create(cast.Worker), "all"), S, Subscribed).error
    node.tell(router, RouteTell({"t": 20}))
    node.tell(router, RouteTell({"t": 90}))
    node.tell(router, Broadcast({"b": 1}))
    wait_until(lambda: len(node.ask(hot, cast.Note(), S, cast.Note).seen) == 2, S, "two came")
    assert node.ask(hot, cast.Note(), S, cast.Note).seen == [{"t": 90}, {"b": 1}]
    wait_until(lambda: len(node.ask(all_, cast.Note(), S, cast.Note).seen) == 3, S, "three came")
    assert node.ask(all_, cast.Note(), S, cast.Note).seen == [{"t": 20}, {"t": 90}, {"b": 1}]
    assert node.ask(hot, cast.Leave(router), S, cast.Note).text == "left"
    wait_until(lambda: [r.name for r in routees(node, router).routees] == ["all"], S, "one has left")
    os.kill(int(node.ask(all_, cast.Note(), S, cast.Note).text), signal.SIGKILL)
    answer = ask(node, router, {"t": 1}, "q", 30.0)
    assert "died" in answer.error
    assert not routees(node, router).routees


def test_first_answer_counts_when_a_pool_is_scattered_to(node):
    """All three work on it; the asker gets one answer."""
    router = node.create(cast.Scattered)
    assert ask(node, router, "x", "q").payload[1] == "x"
    wait_until(lambda: sum(r.handled for r in routees(node, router).routees) == 3, S, "all have worked")
    assert routees(node, router).counters["answered"] == 1


@pytest.mark.parametrize("seed", [1, 2])
def test_each_question_has_its_answer_when_the_transport_repeats_and_reorders(seed):
    """40 questions through a pool on a bad transport: each answered, each worked on once."""
    with start_node(transport=faulty(seed=seed, repeat=0.4, delay=0.5)) as node:
        router, asker = node.create(cast.Pool), node.create(cast.Asker)
        messages = [RouteAsk(number, f"q{number}", 20.0) for number in range(40)]
        found = node.ask(asker, cast.Ask(router, messages), 30, cast.Answers).answers
        assert sorted(answer.payload[1] for answer in found) == list(range(40))
        info = routees(node, router)
        assert sum(routee.handled for routee in info.routees) == 40
        assert info.counters["repeated"] > 0

"""Each strategy with real routee processes: who gets the work, resized and managed by message, one killed in the middle."""

from __future__ import annotations

import itertools
import os
import signal

import router_cast as cast

from rt_edge.actors.routers.messages import (
    AdjustPoolSize,
    Broadcast,
    DropPolicyOf,
    GetDropPolicy,
    GetRoutees,
    RouteAnswer,
    RouteAsk,
    Routees,
    SetDropPolicy,
)
from rt_edge.testkit.node_process import wait_until

S = 10
NUMBERS = itertools.count()


def ask(node, router, payload, key="", timeout=5.0):
    return node.ask(router, RouteAsk(payload, f"q{next(NUMBERS)}", timeout, key), S, RouteAnswer)


def routees(node, router):
    return node.ask(router, GetRoutees(), S, Routees)


def at_once(node, router, payloads, keys=None):
    """All questions before any answer; the answers by payload."""
    messages = [RouteAsk(p, f"q{next(NUMBERS)}", 5.0, key) for p, key in zip(payloads, keys or [""] * len(payloads), strict=True)]
    found = node.ask(node.create(cast.Asker), cast.Ask(router, messages), S, cast.Answers).answers
    by_operation = {answer.operation: answer for answer in found}
    return [by_operation[message.operation] for message in messages]


def pids(node, router, n=60):
    """The processes of all routees: asked together, the work is spread over all of them."""
    keys = [f"key-{number}" for number in range(n)]
    return {answer.payload[0] for answer in at_once(node, router, ["who"] * n, keys)}


def resized(node, router, change, size):
    """By message, told twice."""
    for _ in range(2):
        node.tell(router, AdjustPoolSize(change, f"to-{size}-{change}"))
    wait_until(lambda: len(routees(node, router).routees) == size, S, f"{size} routees")


def healed(node, router):
    """All are up, and one was started twice."""

    def is_healed():
        info = routees(node, router)
        return all(r.state == "running" for r in info.routees) and max(r.starts for r in info.routees) == 2

    wait_until(is_healed, S, "all are up, one for the second time")
    info = routees(node, router)
    assert info.counters["deaths"] == 1
    return info


def test_smallest_mailbox_gets_the_work_when_one_is_busy(node):
    """Nothing goes to the busy one while others have less; killed at its work, it takes that one message along."""
    router = node.create(cast.SmallestMailbox)
    found = pids(node, router)
    assert len(found) == 3
    one = min(found)
    node.tell(router, Broadcast(["slow", one]))
    wait_until(lambda: sum(r.outstanding for r in routees(node, router).routees) == 1, S, "it works alone")
    assert all(ask(node, router, "x").payload[0] != one for _ in range(4))
    wait_until(lambda: not sum(r.outstanding for r in routees(node, router).routees), S, "it has finished")
    assert one in pids(node, router)
    resized(node, router, 1, 4)
    node.tell(router, Broadcast(["slow", one]))
    wait_until(lambda: sum(r.outstanding for r in routees(node, router).routees) == 1, S, "it works alone")
    os.kill(one, signal.SIGKILL)
    info = healed(node, router)
    assert info.counters["lost_with_routee"] == 1
    assert len(pids(node, router) - {one}) == 4


def test_first_answer_of_a_scatter_counts_when_one_is_slow_and_one_is_killed(node):
    """The asker waits for neither; a broadcast reaches those that are left."""
    router = node.create(cast.ScatterPool)
    found = set()
    wait_until(lambda: found.add(ask(node, router, "who").payload[0]) or len(found) >= 2, S, "two have been the first")
    slow, mortal = sorted(found)[:2]
    assert ask(node, router, ["slow", slow]).payload[0] != slow
    assert ask(node, router, ["kill", mortal]).payload[0] != mortal
    info = healed(node, router)
    assert len(info.routees) == 3
    resized(node, router, -1, 2)
    handled = sum(r.handled for r in routees(node, router).routees)
    node.tell(router, Broadcast("to all"))
    wait_until(lambda: sum(r.handled for r in routees(node, router).routees) >= handled + 2, S, "both have it")


def test_next_one_is_asked_when_one_is_slow_or_killed(node):
    """Tail-chopping: a slow one is followed after the interval by another one, a killed one at once; one answer each time."""
    router = node.create(cast.TailChopPool)
    found = set()
    wait_until(lambda: found.add(ask(node, router, "who").payload[0]) or len(found) == 3, S, "each has been the first")
    slow, mortal, _ = found
    for _ in range(3):
        assert ask(node, router, ["slow", slow]).payload[0] != slow
    wait_until(
        lambda: not ask(node, router, ["kill", mortal]).error and routees(node, router).counters.get("deaths") == 1, S, "it died"
    )
    info = healed(node, router)
    assert info.counters["answered"] == info.counters["asks"]
    resized(node, router, 2, 5)
    assert not ask(node, router, "x").error
    assert node.ask(router, SetDropPolicy("drop_head"), S, DropPolicyOf) == DropPolicyOf("drop_head")
    assert "drop_tail" in node.ask(router, SetDropPolicy("nonsense"), S, DropPolicyOf).error
    assert node.ask(router, GetDropPolicy(), S, DropPolicyOf).overflow == "drop_head"


def test_key_stays_with_its_routee_when_the_pool_grows_and_one_is_killed(node):
    """Consistent hashing: growing moves some keys to the new one and no other; a restarted one gets its keys again."""
    router = node.create(cast.HashedPool)
    keys = [f"device-{n}" for n in range(40)]

    def where():
        return {key: answer.payload[0] for key, answer in zip(keys, at_once(node, router, ["who"] * 40, keys), strict=True)}

    before = where()
    assert len(set(before.values())) == 3
    assert where() == before
    resized(node, router, 1, 4)
    grown = where()
    (new,) = set(grown.values()) - set(before.values())
    assert all(grown[key] in (before[key], new) for key in keys)
    mortal = before[keys[0]] if grown[keys[0]] != new else new
    mine = [key for key in keys if grown[key] == mortal]
    assert "died" in ask(node, router, ["kill", mortal], mine[0]).error
    healed(node, router)
    after = where()
    assert len({after[key] for key in mine}) == 1
    assert {key: pid for key, pid in after.items() if key not in mine} == {k: p for k, p in grown.items() if k not in mine}

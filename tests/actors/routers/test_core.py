"""The core of routers on a network that repeats, delays and reorders, in simulated time."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.streams.routing.resizer import Resizer
from tests.actors.routers.router_world import World, settings

PULLING = ("balancing", "random", "most_demand", "priority", "rated")
ONE_OF = (*PULLING, "round_robin", "consistent_hashing")


@pytest.mark.parametrize("strategy", ONE_OF)
@pytest.mark.parametrize("seed", range(6))
def test_every_message_is_worked_on_once_when_the_network_repeats_and_reorders(strategy, seed):
    """Tells and asks, whatever the strategy; every ask has its one answer, and no routee more than its window."""
    world = World(settings(strategy=strategy, window=3), seed, slow={"a1": 0.2})
    world.group(4)
    for number in range(100):
        if number % 2:
            world.core.tell(number, "me", operation=f"t{number}")
        else:
            for _ in range(1 + number % 3):  # the asker's own message may come again, too
                world.core.ask(number, "me", f"q{number}", 60.0)
        world.run(0.01)
    world.run(60)
    assert world.total == {repr(number): 1 for number in range(100)}
    assert all(world.answer(f"q{number}").payload.endswith(f":{number}") for number in range(0, 100, 2))
    assert all(routee.most <= 3 for routee in world.alive.values())
    info = world.core.routees(7)
    assert (info.number, info.waiting, sum(routee.outstanding for routee in info.routees)) == (7, 0, 0)


@pytest.mark.parametrize("strategy", PULLING)
def test_busy_routee_gets_nothing_when_work_is_pulled(strategy):
    """One that takes a second for what others do in 10 ms is given little, and holds up nobody."""
    world = World(settings(strategy=strategy), slow={"a1": 1.0})
    world.group(3)
    for number in range(100):
        world.core.tell(number, "me")
    world.run(1.05)
    assert sum(world.total.values()) == 100
    assert len(world.alive["a1"].worked) <= 2


def test_turns_are_strict_when_round_robin():
    """Also for who is busy: what is for it waits."""
    world = World(settings(strategy="round_robin"), slow={"a1": 1.0})
    world.group(2)
    for number in range(10):
        world.core.tell(number, "me")
    world.run(0.5)
    assert world.alive["a2"].worked == [1, 3, 5, 7, 9]
    world.run(10)
    assert world.alive["a1"].worked == [0, 2, 4, 6, 8]


def test_equal_keys_meet_when_hashing_and_move_little_when_routees_come():
    """By the key of the message, or the payload itself; what is no key is an error of its message."""
    world = World(settings(strategy="consistent_hashing", window=100))
    world.group(3)

    def places():
        for routee in world.alive.values():
            routee.worked.clear()
        for number in range(200):
            world.core.tell({"n": number}, "me", key=f"device-{number}")
        world.run(30)
        return {payload["n"]: address for address, routee in world.alive.items() for payload in routee.worked}

    before, again = places(), places()
    assert before == again
    assert set(before.values()) == {"a1", "a2", "a3"}
    world.group(1)
    after = places()
    moved = [number for number in before if before[number] != after[number]]
    assert 0 < len(moved) < 100
    assert {after[number] for number in moved} == {"a4"}
    world.core.ask(["no key"], "me", "q", 1.0)
    world.run(1)
    assert "cannot be a routing key" in world.answer("q").error
    assert world.core.counters["dropped_unroutable"] == 1


def test_important_routee_is_preferred_when_priorities_change():
    """SetPriority counts from the next message on."""
    world = World(settings(strategy="priority", window=10))
    first, second = world.group(2)
    world.core.priorities.set("routee-2", 5)
    for number in range(5):
        world.core.tell(number, "me")
    world.core.priorities.set("routee-1", 9)
    for number in range(5, 10):
        world.core.tell(number, "me")
    world.run(1)
    assert world.alive[second].worked == [0, 1, 2, 3, 4]
    assert world.alive[first].worked == [5, 6, 7, 8, 9]
    assert [routee.priority for routee in world.core.routees(0).routees] == [9, 5]


def test_message_goes_to_all_who_want_it_when_routed_by_content():
    """A condition for each; what nobody wants is dropped, counted, and its asker told."""
    world = World(settings(strategy="content", window=10))
    world.core.add(world.create(), where="t > 10")
    world.core.add(world.create(), where="t > 100")
    world.core.tell({"t": 50}, "me")
    world.core.tell({"t": 500}, "me")
    world.core.tell({"t": 1}, "me", operation="lost")
    world.core.ask({"t": 500}, "me", "q", 1.0)
    world.core.ask({"t": 1}, "me", "nobody", 1.0)
    world.run(1)
    assert [len(routee.worked) for routee in world.alive.values()] == [3, 2]
    assert "no routee wants it" in world.answer("lost").error
    assert "no routee wants it" in world.answer("nobody").error
    assert not world.answer("q").error
    world.core.add("a1", where="t > 1000")
    world.core.tell({"t": 50}, "me")
    world.run(1)
    assert world.core.counters["dropped_unrouted"] == 3


@pytest.mark.parametrize("how", [{"strategy": "broadcast"}, {"asking": "everyone"}])
def test_question_is_answered_when_all_have_done_it(how):
    """Under broadcast, or asked of everyone: not at the first answer, as an element of a stream is settled by its answer."""
    world = World(settings(window=10, **how), slow={"a2": 3.0})
    world.group(3)
    world.core.ask("y", "me", "q", 60.0)
    world.run(2.9)
    assert (world.total, world.answers) == ({"'y'": 2}, {})
    world.run(1)
    assert world.total == {"'y'": 3}
    assert world.answer("q").payload in {"a1:y", "a3:y"}


@pytest.mark.parametrize("strategy", ["broadcast", "content"])
def test_question_fails_when_one_of_all_has_not_done_it(strategy):
    """It failed or died: whoever asked does not take the others' answers for all."""
    world = World(settings(strategy=strategy, window=10), slow={"a2": 3.0})
    for _ in range(3):
        world.core.add(world.create(), where="t > 10" if strategy == "content" else "")
    world.core.ask({"t": 20}, "me", "q", 60.0)
    world.run(1)
    world.kill("a2")
    world.run(1)
    assert "routee-2 died" in world.answer("q").error


@pytest.mark.parametrize("strategy", ["broadcast", "balancing"])
def test_everybody_gets_it_when_it_is_broadcast(strategy):
    """By the strategy, or by the message."""
    world = World(settings(strategy=strategy), seed=3)
    world.group(3)
    for number in range(5):
        if strategy == "broadcast":
            world.core.tell(number, "me", operation=str(number))
        else:
            world.core.broadcast(number, "me", operation=str(number))
    world.run(5)
    assert world.total == {str(number): 3 for number in range(5)}


# -- questions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asking", ["one", "scatter_gather", "tail_chopping"])
def test_asker_is_told_when_nobody_answers_in_time(asking):
    """The timeout of the question is enforced; a late answer is not passed on; the routee has its room back when it is done."""
    world = World(settings(asking=asking, interval=0.1), slow={"a1": 5.0, "a2": 5.0})
    world.group(2)
    world.core.ask("x", "me", "q", 1.0)
    world.run(0.99)
    assert not world.answers
    world.run(0.02)
    assert "NoAnswer" in world.answer("q").error
    assert world.answer("q").code == "RTE322"
    world.run(20)
    assert len(world.answers["me", "q"]) == 1
    assert all(routee.outstanding == 0 for routee in world.core.routees(0).routees)


def test_first_answer_counts_when_scattered():
    """All work, one answer is passed on."""
    world = World(settings(asking="scatter_gather"), slow={"a1": 0.5, "a2": 0.1, "a3": 0.9})
    world.group(3)
    world.core.ask("x", "me", "q", 5.0)
    world.run(0.2)
    assert world.answer("q").payload == "a2:x"
    world.run(5)
    assert len(world.answers["me", "q"]) == 1


def test_next_is_asked_after_the_interval_when_tails_are_chopped():
    """One at a time, in an order of its own for each question; nobody is asked who is not needed."""
    world = World(settings(asking="tail_chopping", interval=0.1, window=9), slow={"a1": 9.0})
    world.group(3)
    for number in range(20):
        world.core.ask(number, "me", str(number), 5.0)
        world.run(0.3)
    assert all(not world.answer(str(number)).error for number in range(20))
    asked = {address: len(routee.worked) + routee.inside for address, routee in world.alive.items()}
    assert 3 <= asked["a1"] <= 9
    assert sum(asked.values()) == 20 + asked["a1"]


def test_question_goes_to_another_when_a_routee_fails_and_settings_say_so():
    """Else the asker gets the error."""
    world = World(settings())
    world.group(2)
    world.core.ask("bad", "me", "q", 5.0)
    world.run(1)
    assert "as told" in world.answer("q").error
    world = World(settings(elsewhere=True))
    world.group(2)
    world.core.ask("bad", "me", "q", 5.0)
    world.run(1)
    assert "every routee that could be asked has failed" in world.answer("q").error
    assert world.total == {"'bad'": 2}


@pytest.mark.parametrize("timeout", [0.0, -1.0, 1e9, float("nan")])
def test_question_is_refused_when_its_timeout_makes_no_sense(timeout):
    """At once."""
    world = World(settings())
    world.core.ask("x", "me", "q", timeout)
    world.run(0)
    assert "timeout" in world.answer("q").error


# -- queues ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overflow", "kept"),
    [("drop_new", [0, 1, 2, 3]), ("drop_head", [0, 4, 5, 6]), ("drop_tail", [0, 1, 2, 6]), ("drop_buffer", [0, 4, 5, 6])],
)
@pytest.mark.parametrize("strategy", ["balancing", "round_robin"])
def test_queue_keeps_what_its_policy_says_when_it_is_full(strategy, overflow, kept):
    """Every drop is counted, and whoever waits for an answer is told."""
    world = World(settings(strategy=strategy, queue=3, overflow=overflow))
    world.group(1)
    for number in range(7):
        world.core.ask(number, "me", str(number), 60.0)
    world.run(30)
    assert world.alive["a1"].worked == kept
    assert world.core.counters["dropped_overflow"] == 3
    lost = [number for number in range(7) if number not in kept]
    assert all(world.answer(str(number)).code == "RTE601" for number in lost)
    assert all(not world.answer(str(number)).error for number in kept)


def test_room_comes_back_when_an_answer_never_comes():
    """After a minute a routee is not believed to work on a message any more."""
    world = World(settings(unanswered=10.0))
    world.group(1)
    world.alive["a1"].receive = lambda message: None
    world.core.ask("x", "me", "q", 60.0)
    world.run(9)
    assert not world.answers
    world.run(4)
    assert "has not answered within 10 s" in world.answer("q").error
    assert world.core.counters["unanswered"] == 1
    assert world.core.routees(0).routees[0].outstanding == 0
    del world.alive["a1"].receive
    world.alive["a1"].receive = lambda message: None
    world.core.tell("lost", "me")
    world.core.ask("waits", "me", "next", 60.0)
    del world.alive["a1"].receive
    world.run(14)
    assert world.answer("next").payload == "a1:waits"


# -- coming and going --------------------------------------------------------------------------------------------------


def test_outstanding_question_fails_clearly_when_its_routee_dies():
    """At once, long before its timeout; what the dead one had not been sent goes elsewhere."""
    world = World(settings(strategy="round_robin"), slow={"a1": 9.0})
    world.group(2)
    for number in range(6):
        world.core.ask(number, "me", str(number), 60.0)
    world.kill("a1")
    world.run(1)
    assert "routee-1 died" in world.answer("0").error
    assert all(not world.answer(str(number)).error for number in range(1, 6))
    assert world.alive["a2"].worked == [1, 3, 5, 2, 4]
    assert world.core.counters["deaths"] == 1
    assert [routee.name for routee in world.core.routees(0).routees] == ["routee-2"]


def test_outstanding_question_goes_elsewhere_when_settings_say_so():
    """To one that has not had it."""
    world = World(settings(elsewhere=True), slow={"a1": 9.0})
    world.group(2)
    world.core.ask("x", "me", "q", 60.0)
    world.kill("a1")
    world.run(1)
    assert world.answer("q").payload == "a2:x"
    assert world.core.counters["elsewhere"] == 1


def test_question_waits_for_the_next_one_when_the_only_routee_of_a_pool_dies():
    """The one that is started in its place is another one."""
    world = World(settings(size=1, elsewhere=True), slow={"a1": 9.0})
    world.core.ask("x", "me", "q", 60.0)
    world.run(0.5)
    world.kill("a1")
    world.run(2)
    assert world.answer("q").payload == "a2:x"


def test_dead_routee_is_started_again_when_it_is_of_a_pool():
    """Under its name, later each time; what waits, waits for it."""
    world = World(settings(size=1))
    world.core.ask("x", "me", "q1", 60.0)
    world.kill("a1")
    world.core.ask("y", "me", "q2", 60.0)
    world.run(1)
    assert "pool-1 died" in world.answer("q1").error
    assert world.answer("q2").payload == "a2:y"
    [info] = world.core.routees(0).routees
    assert (info.name, info.state, info.starts) == ("pool-1", "running", 2)
    waits = []
    for _ in range(6):
        address = next(iter(world.alive))
        before = world.now()
        world.kill(address)
        while not world.alive:
            assert world.time.step()
        waits.append(world.now() - before)
    assert max(waits[3:]) > max(waits[0], 0.2)


def test_routee_finishes_what_it_has_when_it_is_removed():
    """And gets no more; a pool ends it then."""
    world = World(settings(size=2, strategy="round_robin"), slow={"a1": 0.5})
    for number in range(6):
        world.core.ask(number, "me", str(number), 60.0)
    world.run(0.05)
    world.core.remove("pool-1")
    assert world.core.routees(0).routees[0].state == "leaving"
    world.run(5)
    assert all(not world.answer(str(number)).error for number in range(6))
    assert list(world.alive) == ["a2"]


def test_pool_grows_and_shrinks_when_it_is_told_to():
    """Names are used again; the least busy leaves; at least one stays."""
    world = World(settings(size=2))
    world.pool.resize(4)
    assert [routee.name for routee in world.core.routees(0).routees] == [f"pool-{n}" for n in range(1, 5)]
    world.pool.resize(0)
    world.run(1)
    assert len(world.alive) == 1
    world.pool.resize(2)
    assert len(world.core.members) == 2


def test_pool_follows_the_pressure_when_it_has_a_resizer():
    """It grows to its bound while all are busy, and shrinks again."""
    world = World(settings(size=1, resizer=Resizer(least=1, most=5, every=1.0)))
    world.seconds = lambda address, payload: 1.0
    for number in range(60):
        world.core.tell(number, "me")
    world.run(8)
    assert len(world.alive) == 5
    world.run(60)
    assert sum(world.total.values()) == 60
    assert len(world.alive) == 1


def test_everything_fails_when_the_routees_are_stopped():
    """What waits is dropped, its askers are told; what is worked on is finished."""
    world = World(settings(size=1))
    for number in range(3):
        world.core.ask(number, "me", str(number), 60.0)
    world.pool.stop()
    world.run(40)
    assert not world.answer("0").error
    assert "stopped" in world.answer("1").error
    assert not world.alive
    assert not world.core.members


def test_routee_is_refused_when_its_name_is_taken():
    """And nothing changes."""
    world = World(settings())
    world.core.add("x1", name="a")
    with pytest.raises(ConfigError, match="there is a routee 'a' already"):
        world.core.add("x2", name="a")
    assert world.core.add("x1", priority=3) == "a"


@pytest.mark.parametrize("strategy", ONE_OF)
@pytest.mark.parametrize("asking", ["one", "scatter_gather", "tail_chopping"])
@pytest.mark.parametrize("seed", range(4))
def test_every_question_has_one_answer_when_routees_die(strategy, asking, seed):
    """Whatever dies whenever, on a bad network: one answer each, in time, and nothing is left behind."""
    random = Random(seed)
    world = World(settings(strategy=strategy, asking=asking, size=3, window=2, queue=50, elsewhere=bool(seed % 2)), seed)
    asked = {}
    for number in range(80):
        world.core.ask(number, "me", str(number), 4.0)
        asked[str(number)] = world.now()
        if random.random() < 0.1 and world.alive:
            world.kill(random.choice(list(world.alive)))
        world.run(random.random() * 0.1)
    world.run(70)
    outcomes = Counter(bool(world.answer(operation).error) for operation in asked)
    assert outcomes[False] > 40, outcomes
    assert all(routee.outstanding == routee.waiting == 0 for routee in world.core.routees(0).routees)
    assert world.core.counters["answered"] + world.core.counters["failed"] == 80
    assert len(world.alive) == 3


def test_next_message_too_many_is_dropped_by_the_policy_of_then():
    """The youngest under drop_new; after the change the oldest that waits; senders are told of both."""
    world = World(settings(strategy="balancing", window=1, queue=2, overflow="drop_new"))
    for n in range(3):
        world.core.tell(n, "me", f"t{n}")
    assert "BufferOverflow" in world_answer(world, "t2")
    world.core.overflow = "drop_head"
    world.core.tell(3, "me", "t3")
    assert "BufferOverflow" in world_answer(world, "t0")
    world.group(1)
    world.run(1.0)
    assert sorted(world.total) == ["1", "3"]


def world_answer(world, operation):
    world.run(0.0)
    return world.answer(operation).error

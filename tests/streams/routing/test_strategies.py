"""Strategies: who is chosen, never who is busy, the same again."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading
from rt_edge.streams.expression import ExpressionError
from rt_edge.streams.routing.content import ByContent, predicate
from rt_edge.streams.routing.hashing import ConsistentHashing, HashRing, hash_of
from rt_edge.streams.routing.named import strategy
from rt_edge.streams.routing.rated import Credits, Rated, Yields
from rt_edge.streams.routing.routee import Routee
from rt_edge.streams.routing.strategy import Balancing, Everyone, MostDemand, RandomChoice, RoundRobin, Strategy
from rt_edge.streams.routing.weights import ByPriority, Priorities, Shares

PULLING = ["balancing", "random", "most_demand", "priority", "rated"]
"""Those that never choose who is busy."""


def made(name: Any) -> Strategy:
    return strategy(name, random=Random(3), now=lambda: 0.0)


def routees(*open_: int) -> list[Routee]:
    return [Routee(f"r{place}", credit) for place, credit in enumerate(open_)]


CREDITS = st.lists(st.integers(0, 6), min_size=1, max_size=5)


@pytest.mark.parametrize("name", PULLING)
@given(open_=CREDITS, items=st.integers(0, 40))
def test_busy_routee_is_never_chosen_when_work_is_pulled(name: Any, open_: list[int], items: int) -> None:
    """Nobody gets more than its credit, and nothing waits while anybody has credit."""
    those = routees(*open_)
    dealt = made(name).deal(range(items), those)
    assert len(dealt) == min(items, sum(open_))
    given_to = Counter(dealt)
    assert all(given_to[place] <= credit for place, credit in enumerate(open_))
    assert [routee.credit for routee in those] == [credit - given_to[place] for place, credit in enumerate(open_)]


@pytest.mark.parametrize("name", [*PULLING, "round_robin", "broadcast", "consistent_hashing"])
@given(open_=CREDITS)
def test_choosing_changes_nothing_when_nothing_is_sent(name: Any, open_: list[int]) -> None:
    """`choose` says the same until somebody was sent something (chance aside)."""
    one = made(name)
    those = routees(*open_)
    if name != "random":
        assert one.choose("k", those) == one.choose("k", those)
    assert made(name).deal("abcdef", routees(*open_)) == made(name).deal("abcdef", routees(*open_))


@given(open_=CREDITS, before=st.integers(0, 4), items=st.integers(0, 40))
def test_turns_are_strict_when_round_robin(open_: list[int], before: int, items: int) -> None:
    """One after the other until the turn comes to one without credit; the batch is what single steps are."""
    quick, slow = RoundRobin(), RoundRobin()
    for one in (quick, slow):
        one.deal(range(before), routees(*[9] * len(open_)))
    those, others = routees(*open_), routees(*open_)
    room = quick.capacity(those)
    dealt = quick.deal(range(items), those)
    assert dealt == Strategy.deal(slow, range(items), others)
    assert [r.credit for r in those] == [r.credit for r in others]
    assert dealt == [(before + i) % len(open_) for i in range(len(dealt))]
    assert len(dealt) == min(items, room)


def test_turns_pass_over_the_busy_when_balancing() -> None:
    """The one without credit loses its turn, the others go on."""
    assert Balancing().deal(range(5), routees(2, 0, 3)) == [0, 2, 0, 2, 2]


def test_most_demand_is_served_first_when_demand_differs() -> None:
    """Credit decides, then load, then turns."""
    assert MostDemand().deal(range(4), routees(1, 3, 1)) == [1, 1, 2, 0]
    loaded = [Routee("a", 2, load=5), Routee("b", 2, load=1)]
    assert MostDemand().choose("x", loaded) == (1,)


def test_everyone_gets_it_when_broadcast() -> None:
    """All places; as many as all can take."""
    assert tuple(Everyone().choose("x", routees(1, 2))) == (0, 1)
    assert Everyone().capacity(routees(1, 2)) == 1


def test_choice_is_even_when_random() -> None:
    """Each of those with credit gets its share, and the same seed chooses the same."""
    dealt = [RandomChoice(Random(1)).deal(range(3000), routees(3000, 0, 3000)) for _ in range(2)]
    assert dealt[0] == dealt[1]
    assert abs(Counter(dealt[0])[0] - 1500) < 150


def test_important_is_served_first_when_priorities_change() -> None:
    """A change counts from the next choice on; equals take turns."""
    priorities = Priorities({"r0": 1, "r1": 5})
    one = ByPriority(priorities)
    told: list[int] = []
    end = priorities.listen(lambda: told.append(1))
    assert one.deal(range(4), routees(9, 2)) == [1, 1, 0, 0]
    priorities.set("r0", 7)
    assert one.deal(range(2), routees(9, 9)) == [0, 0]
    priorities.set("r1", 7)
    assert Counter(one.deal(range(6), routees(9, 9))) == {0: 3, 1: 3}
    end()
    priorities.set("r1", 1)
    assert told == [1, 1]


@pytest.mark.parametrize("value", [-1, True, 1.5, 1_000_001])
def test_priority_is_refused_when_it_is_none(value: Any) -> None:
    """Whole numbers from 0 to a million."""
    with pytest.raises(ConfigError, match="no priority"):
        Priorities().set("a", value)


def test_turns_are_in_proportion_when_shares_have_weights() -> None:
    """Evenly spread, as said; a weight of 0 waits until nobody else is there."""
    shares = Shares()
    assert "".join(shares.next({"a": 5, "b": 1, "c": 1}) for _ in range(7)) == "aabacaa"
    assert {Shares().next({"a": 0, "b": 1}) for _ in range(3)} == {"b"}
    assert Shares().next({"a": 0}) == "a"
    with pytest.raises(LookupError):
        Shares().next({})


@pytest.mark.parametrize("seed", range(30))
def test_turns_are_those_of_next_when_many_are_dealt_at_once(seed: int) -> None:
    """With any weights, and with names that run out of room and come again."""
    random = Random(seed)
    one, many = Shares(), Shares()
    for _ in range(8):
        weights = {name: random.choice([0.0, 0.02, 1.0, 1.0, 5.0]) for name in random.sample("abcde", random.randint(0, 5))}
        room = {name: random.randint(1, 9) for name in weights}
        n = random.randint(0, 20)
        left, rest, expected = dict(weights), dict(room), []
        while left and len(expected) < n:
            name = one.next(left)
            expected.append(name)
            rest[name] -= 1
            if not rest[name]:
                del left[name]
        assert many.deal(weights, room, n) == expected


def test_share_follows_the_yield_when_rated() -> None:
    """Who yields ten times as much gets ten times as much; who yields nothing is tried now and then, and recovers."""
    now = [0.0]
    yields = Yields(half_life=1.0)
    one = Rated(lambda: now[0], yields)
    assert Counter(one.deal(range(10), routees(99, 99))) == {0: 5, 1: 5}
    for tenth in range(1, 51):
        now[0] = tenth / 10
        yields.note("r0", 100, now[0])
        yields.note("r1", 10, now[0])
    assert yields.rate("r0", now[0]) == pytest.approx(1000, rel=0.1)
    shares = Counter(one.deal(range(1100), routees(9999, 9999)))
    assert shares[0] == pytest.approx(1000, abs=10)
    now[0] += 60
    yields.note("r1", 100, now[0])
    shares = Counter(one.deal(range(1000), routees(9999, 9999)))
    assert 10 <= shares[0] <= 30
    yields.forget("r1")
    assert one.choose("x", [Routee("r0", 0), Routee("r1", 0)]) == ()


def test_single_steps_are_the_batch_when_rated() -> None:
    """`choose` and `sent` give the same turns as `deal`."""

    def fresh() -> Rated:
        yields = Yields()
        yields.note("r0", 30, 0.0)
        yields.note("r1", 10, 0.0)
        return Rated(lambda: 0.0, yields)

    assert fresh().deal(range(20), routees(99, 99)) == Strategy.deal(fresh(), range(20), routees(99, 99))


@given(names=st.sets(st.text(min_size=1, max_size=4), min_size=2, max_size=8), gone=st.data())
def test_only_keys_of_who_left_move_when_the_ring_shrinks(names: set[str], gone: st.DataObject) -> None:
    """Consistent hashing: all other keys stay where they are."""
    leaving = gone.draw(st.sampled_from(sorted(names)))
    before, after = HashRing(sorted(names), 32), HashRing(sorted(names - {leaving}), 32)
    for key in range(200):
        owner = before.owner(key)
        assert after.owner(key) == owner or owner == leaving
        assert after.owner(key) != leaving


def test_shares_of_the_ring_are_about_equal_when_there_are_many_keys() -> None:
    """Ten names of 128 places: each within a third of its tenth (measured here: 7.6% to 11.5%)."""
    ring = HashRing([f"node-{n}" for n in range(10)])
    counts = Counter(ring.owner(f"key-{n}") for n in range(20_000))
    assert all(1333 < count < 2666 for count in counts.values()), counts


def test_hash_is_the_same_when_the_process_is_another() -> None:
    """The numbers of an earlier run: Python's own hash would differ."""
    assert hash_of("plc/pump-1") == 0x308A9A1C67A3756C
    assert len({hash_of(key) for key in (1, True, 1.0, "1", b"1", ("1",), None, ("", "a"), ("a", ""))}) == 9
    with pytest.raises(TypeError, match="cannot be a routing key"):
        hash_of([1])


def test_equal_keys_meet_when_hashing_is_consistent() -> None:
    """All elements of a key go to one routee, busy or not, also when others come."""
    one = ConsistentHashing(lambda reading: reading.source, 64)
    readings = [Reading(f"d{n % 7}", n, {}) for n in range(70)]
    chosen = {reading.source: set() for reading in readings}
    for reading in readings:
        chosen[reading.source].add(tuple(one.choose(reading, routees(0, 0, 0))))
    assert all(len(places) == 1 for places in chosen.values())
    assert one.choose(readings[0], []) == ()
    with pytest.raises(ConfigError, match="virtual_nodes"):
        HashRing(["a"], 0)
    with pytest.raises(LookupError):
        HashRing([]).owner("a")


def test_element_goes_to_all_who_want_it_when_routed_by_content() -> None:
    """Expressions on readings and mappings, functions, and none for everything."""
    one, first = ByContent(), ByContent("first")
    for by in (one, first):
        by.set("r0", "t > 10")
        by.set("r1", lambda element: element.fields["t"] > 5)
        by.set("r2", "t > 100")
    those = routees(1, 1, 1)
    hot, warm, cold = (Reading("s", 0, {"t": t}) for t in (11, 6, 1))
    assert [tuple(one.choose(r, those)) for r in (hot, warm, cold)] == [(0, 1), (1,), ()]
    assert tuple(first.choose(hot, those)) == (0,)
    assert not one.wanted(cold, those)
    one.set("r2", None)
    assert tuple(one.choose(cold, those)) == (2,)
    assert predicate("t > 3")({"t": 4})
    assert not predicate("t > 3")({"u": 4})
    with pytest.raises(ExpressionError):
        predicate("t >")
    with pytest.raises(ConfigError, match="no condition"):
        predicate(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        predicate("t > 3")({"t": "x"})


def test_name_is_refused_when_there_is_no_such_strategy() -> None:
    """With the names there are."""
    with pytest.raises(ConfigError, match="balancing"):
        made("tombola")


def test_credit_grows_with_full_batches_and_shrinks_with_time() -> None:
    """Up on full batches, half for each half-life without one; never below 1, never above the most."""
    credits_ = Credits(100, half_life=1.0)
    assert credits_.of("a", 0.0) == 100
    credits_.arrived("a", 0.0, all_of_it=True)
    assert credits_.of("a", 0.0) == 100
    credits_.arrived("a", 1.0, all_of_it=False)
    assert (credits_.of("a", 1.0), credits_.of("a", 3.0), credits_.of("a", 99.0)) == (50, 12, 1)
    credits_.arrived("a", 99.0, all_of_it=True)
    credits_.arrived("a", 99.0, all_of_it=True)
    assert credits_.of("a", 99.0) == 4

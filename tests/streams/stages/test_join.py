"""join: contract and own cases."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading, gap_reading
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.stage import Hold
from rt_edge.streams.stages.join import Join
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract

S = 10**9


class TestJoin(StageContract):
    """Partners are those of the same time; none is given up."""

    def make(self) -> Join:
        return Join(within=0.5, wait=1e9, right_prefix="r_", max_waiting=5000)

    def item(self, n: int) -> Reading:
        return Reading("a", n * S, {"p": n})

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[Reading("a", a.ts, {"r_p": b.fields["p"], "p": a.fields["p"]}) for a, b in zip(*inputs, strict=False)]]


class TestFewWait(StageContract):
    """What waits too long, or too many, goes out alone."""

    lossless = False
    drops_again = "it finds no partner in time"

    def make(self) -> Join:
        return Join(within=0.1, unpaired="left", max_waiting=7)

    def item(self, n: int) -> Reading:
        return Reading(f"plc/{n % 3}", n * S, {"p": n})


class TestEarly(TestJoin):
    def make(self) -> Join:
        return Join(within=0.5, wait=1e9, right_prefix="r_", max_waiting=5000, settle="early")


def test_nearest_partner_of_the_same_key_is_taken_within_the_time() -> None:
    """Fields, tags, quality and time of the pair; both are settled with it."""
    with StageBench(Join(within=2.0), keep=True) as bench:
        left, right = bench.sources
        bench.sink.request(100)
        right.send(
            Reading("a", 0, {"q": 0}), Reading("a", 3 * S, {"q": 3, "p": 9}, "bad", {"t": "r"}), Reading("b", 4 * S, {"q": 4})
        )
        left.send(Reading("a", 4 * S, {"p": 1}, tags={"t": "l", "u": "l"}))
        bench.sink.expect_next(Reading("a", 4 * S, {"q": 3, "p": 1}, "bad", {"t": "l", "u": "l"}))
        left.send(Reading("a", 4 * S, {"p": 2}))
        bench.sink.expect_no_signal()
        assert right.outcomes.by_mark == {}
        bench.sink.settle_all()
        assert (left.outcomes.stored(), right.outcomes.stored()) == ([0], [1])


def test_element_is_given_up_when_no_partner_comes() -> None:
    """After the wait it is dropped, or goes out alone; gaps pass at once."""
    with StageBench(Join(within=1.0, wait=5.0, unpaired="left")) as bench:
        left, right = bench.sources
        bench.sink.request(100)
        left.send(Reading("a", 0, {"p": 1}))
        right.send(Reading("b", 0, {"q": 1}), gap_reading("b", "offline", 1, 2))
        bench.sink.expect_next(gap_reading("b", "offline", 1, 2))
        bench.advance(4.9)
        bench.sink.expect_no_signal()
        bench.advance(0.1)
        bench.sink.expect_next(Reading("a", 0, {"p": 1}))
        assert right.outcomes.dropped("unpaired") == [0]
        left.send(Reading("c", 0, {"p": 1}))
        left.complete()
        bench.sink.expect_no_signal()
        right.send(Reading("c", 0, {"q": 1}))
        right.complete()
        bench.sink.expect_next(Reading("c", 0, {"q": 1, "p": 1}))
        bench.sink.expect_complete()


def test_longest_waiting_is_given_up_when_too_many_wait() -> None:
    """What waits is bounded, of all keys."""
    stage = Join(within=1.0, max_waiting=2)
    assert stage.holds() == Hold(2, 1.0)
    with StageBench(stage) as bench:
        left, _ = bench.sources
        bench.sink.request(100)
        left.send(Reading("a", 0, {"p": 1}), Reading("b", 0, {"p": 1}))
        left.send(Reading("c", 0, {"p": 1}))
        assert left.outcomes.dropped("unpaired") == [0]
        assert bench.counters["given_up"] == 1


@pytest.mark.parametrize("on_error", ["resume", "restart", "stop"])
def test_pair_fails_when_the_function_raises(on_error: Any) -> None:
    """Any elements by a function; both of the pair fail, and on a restart what waits."""

    def divide(a: int, b: int) -> int:
        return a // (b - 10)

    with StageBench(Join(within=1.0, per=lambda n: n % 10, function=divide, on_error=on_error)) as bench:
        left, right = bench.sources
        bench.sink.request(100)
        right.send(10, 21)
        left.send(31, 5)
        bench.sink.expect_next(2)
        left.send(20)
        assert left.outcomes.failed() == ([2] if on_error == "resume" else [1, 2])
        assert right.outcomes.failed() == [0]
        assert (bench.sink.error is not None) == (on_error == "stop")


def test_settings_are_read_and_refused_when_written_in_a_configuration() -> None:
    """`within` is needed."""
    check = Catalogue.built_in().check("join", {"within": "2s", "per": "tags['order']", "unpaired": "both"})
    assert check.stage == Join(within=2.0, per="tags['order']", unpaired="both"), check.errors
    for wrong in ({"within": 0}, {"within": 1, "max_waiting": 0}, {"within": 1, "function": "max"}):
        with pytest.raises(ConfigError):
            Join(**wrong)


@pytest.mark.parametrize("seed", range(20))
def test_partner_is_the_one_that_a_look_at_all_that_wait_finds(seed: int) -> None:
    """The nearest in time of its key, and of several the one that came first; whatever the order of the times."""
    random = Random(seed)
    waiting: tuple[list[Reading], list[Reading]] = ([], [])
    pairs: list[tuple[int, int]] = []
    with StageBench(
        Join(within=3.0, wait=1e9, max_waiting=10_000, function=lambda a, b: (a.fields["n"], b.fields["n"]))
    ) as bench:
        bench.sink.request(10_000)
        for n in range(300):
            side = random.randrange(2)
            item = Reading(random.choice("ab"), random.randrange(25) * S, {"n": n})
            near = [x for x in waiting[1 - side] if x.source == item.source and abs(x.ts - item.ts) <= 3 * S]
            partner = min(near, key=lambda x: abs(x.ts - item.ts), default=None)
            if partner is None:
                waiting[side].append(item)
            else:
                waiting[1 - side].remove(partner)
                left, right = (partner, item) if side else (item, partner)
                pairs.append((left.fields["n"], right.fields["n"]))
            bench.sources[side].send(item)
        bench.sink.expect_next(*pairs)
        assert len(pairs) > 50

"""throttle: contract and own cases under a virtual clock."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.reading import Reading
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.stages.throttle import RateExceeded, Throttle
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract, SupervisionContract, raising


class TestThrottle(StageContract):
    def make(self) -> Throttle:
        return Throttle(20, 1.0, burst=5)


class TestThrottleByCost(SupervisionContract):
    def make(self) -> Throttle:
        return Throttle(20, 1.0, burst=5, cost=lambda n: n % 4)

    def make_failing(self, on_error: Any) -> Throttle:
        return Throttle(20, 1.0, burst=5, cost=raising(abs), on_error=on_error)


class TestThrottleByCostThatEnforces(StageContract):
    def make(self) -> Throttle:
        return Throttle(10, 1.0, burst=100_000_000, cost=lambda n: n % 4, mode="enforcing")


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_rate_is_kept_when_elements_come_in_any_chunk(chunk: int) -> None:
    """In no window of time pass more elements than burst plus rate times its length."""
    passed: list[tuple[float, int]] = []
    with StageBench(Throttle(10, 1.0, burst=4)) as bench:
        bench.sink.request(1000)
        for _ in range(300):
            if bench.source.demand:
                bench.source.send(*range(min(chunk, bench.source.demand)))
            passed.append((bench.host.time.now, len(bench.sink.received)))
            bench.advance(0.033)
        for start, before in passed:
            for end, after in passed:
                assert after - before <= 4 + 10 * (end - start) + 1e-6
        assert passed[-1][1] >= 0.9 * 10 * passed[-1][0]


def test_burst_passes_at_once_when_the_bucket_is_full() -> None:
    """The bucket is full at the start and fills again while nothing comes."""
    with StageBench(Throttle(10, 1.0, burst=3)) as bench:
        bench.sink.request(100)
        bench.source.send(1, 2, 3)
        bench.sink.expect_next(1, 2, 3)
        bench.source.send(4, 5, 6)
        bench.sink.expect_no_signal()
        bench.advance(0.1)
        bench.sink.expect_next(4)
        bench.advance(0.2)
        bench.sink.expect_next(5, 6)
        bench.advance(5)
        bench.source.send(7, 8, 9)
        bench.sink.expect_next(7, 8, 9)


def test_timers_are_few_when_the_rate_is_high() -> None:
    """At 100,000 a second elements leave in grains of 10 ms."""
    with StageBench(Throttle(100_000, 1.0)) as bench:
        bench.sink.request(1_000_000)
        for _ in range(50):
            bench.source.send(*range(bench.source.demand))
            bench.advance(0.01)
        assert 40_000 <= len(bench.sink.received) <= 52_000
        assert len(bench.sink.chunks) < 150


def test_stage_fails_when_an_enforced_rate_is_exceeded() -> None:
    """Enforcing lets pass what has tokens, then fails both ways."""
    with StageBench(Throttle(10, 1.0, burst=3, mode="enforcing")) as bench:
        bench.sink.request(10)
        bench.source.send(1, 2)
        bench.source.send(3, 4, 5)
        bench.sink.expect_next(1, 2, 3)
        bench.sink.expect_error(RateExceeded)
        assert isinstance(bench.source.expect_cancellation(), RateExceeded)
        assert bench.source.outcomes.failed() == [3, 4]


def test_duration_is_read_when_written_in_a_configuration() -> None:
    """`per: 1min` is sixty seconds; nonsense is refused."""
    check = Catalogue.built_in().check("throttle", {"elements": 6, "per": "1min"})
    assert check.stage == Throttle(6, 60.0), check.errors
    assert Catalogue.built_in().check("throttle", {"elements": 0}).errors
    assert Catalogue.built_in().check("throttle", {"elements": 1, "mode": "smooth"}).errors


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_rate_is_kept_when_elements_cost_different_tokens(chunk: int) -> None:
    """In no window of time pass more tokens than burst plus rate times its length, but for one element that is too heavy."""
    passed: list[tuple[float, int]] = []
    with StageBench(Throttle(100, 1.0, burst=20, cost=lambda n: n)) as bench:
        bench.sink.request(1000)
        for step in range(300):
            if bench.source.demand:
                bench.source.send(*(1 + (step * 7 + n) % 30 for n in range(min(chunk, bench.source.demand))))
            passed.append((bench.host.time.now, sum(bench.sink.received)))
            bench.advance(0.033)
        for start, before in passed:
            for end, after in passed:
                assert after - before <= 20 + 30 + 100 * (end - start) + 1e-6
        assert passed[-1][1] >= 0.9 * 100 * passed[-1][0]


def test_debt_is_paid_when_an_element_costs_more_than_the_bucket_holds() -> None:
    """It passes when the bucket is full; the next waits for what it took too much."""
    with StageBench(Throttle(10, 1.0, burst=5, cost=lambda n: n)) as bench:
        bench.sink.request(9)
        bench.source.send(25, 1)
        bench.sink.expect_next(25)
        bench.advance(2.0)
        bench.sink.expect_no_signal()
        bench.advance(0.11)
        bench.sink.expect_next(1)


def test_stage_fails_when_an_enforced_cost_is_exceeded() -> None:
    """What found its tokens passes, the rest fails; the bucket fills again with time."""
    with StageBench(Throttle(10, 1.0, burst=5, cost=lambda n: n, mode="enforcing")) as bench:
        bench.sink.request(9)
        bench.source.send(2, 3)
        bench.advance(0.5)
        bench.source.send(5)
        bench.source.send(0, 1, 0)
        bench.sink.expect_next(2, 3, 5, 0)
        assert "tested" in str(bench.sink.expect_error(RateExceeded))
        assert bench.source.outcomes.failed() == [4, 5]


def test_bytes_are_metered_when_the_cost_is_an_expression() -> None:
    """A reading that has no cost fails alone."""
    made = Catalogue.built_in().check("throttle", {"elements": 10, "cost": "1 / n"})
    assert made.stage is not None, made.errors
    with StageBench(made.stage) as bench:
        bench.sink.request(9)
        bench.source.send(Reading("a", 0, {"n": 4}))
        bench.source.send(Reading("a", 0, {"n": 0}))
        assert bench.source.outcomes.failed() == [1]
        assert len(bench.sink.received) == 1
    assert Catalogue.built_in().check("throttle", {"elements": 10, "cost": "1 /"}).errors


@pytest.mark.parametrize("cost", [None, lambda _: 1.0])
@pytest.mark.parametrize("uptime", [36_000.0, 1e7])
def test_rate_is_kept_when_the_clock_has_run_for_long(uptime: float, cost: Any) -> None:
    """What rounding takes of the tokens is neither waited for nor lost: no timer that does not move the clock."""
    with StageBench(Throttle(elements=1000, per=1.0, burst=1, cost=cost)) as bench:
        bench.advance(uptime)
        bench.sink.request(100_000)
        for _ in range(2000):
            if bench.source.demand:
                bench.source.send(0)
            bench.advance(0.001)
        assert 1900 <= len(bench.sink.received) <= 2001

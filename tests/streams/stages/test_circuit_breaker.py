"""circuit_breaker: contract, and what becomes of elements while it is open, under virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.streams.breaker import CallTimeout, CircuitOpen
from rt_edge.streams.stages.circuit_breaker import CircuitBreaker
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import BAD, Broken, SupervisionContract
from rt_edge.testkit.virtual_clock import Sleep


async def plus_one(n: int) -> int:
    await Sleep(n * 7 % 5 / 10)
    if n == BAD:
        raise Broken("bad element")
    return n + 1


class TestCircuitBreaker(SupervisionContract):
    residue_differs = "elements without a result are handed on raw"

    def make(self) -> CircuitBreaker:
        return CircuitBreaker(function=plus_one, parallelism=3)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[n + 1 for n in inputs[0]]]

    def make_failing(self, on_error: Any) -> CircuitBreaker:
        return CircuitBreaker(function=plus_one, parallelism=3, on_error=on_error)

    def after_failure(self, inputs: list[Any], on_error: Any) -> list[Any] | None:
        return [n + 1 for n in inputs if n != BAD]


class Service:
    """Fails while it is down; counts its calls."""

    def __init__(self) -> None:
        self.down = True
        self.calls: list[int] = []

    async def __call__(self, n: int) -> int:
        self.calls.append(n)
        if self.down:
            raise ConnectionError("down")
        return -n


def stage(service: Any, **kwargs: Any) -> CircuitBreaker:
    return CircuitBreaker(**{"function": service, "failures": 2, "reset_min": 4.0, "reset_max": 8.0, "jitter": 0.0, **kwargs})


def send(bench: Any, *elements: int) -> None:
    for n in elements:
        assert bench.source.demand
        bench.source.send(n)


def test_elements_wait_and_upstream_is_not_asked_when_it_is_open() -> None:
    """hold: two fail, the third waits without a call; after the wait it is the probe, and no element is lost after it."""
    service = Service()
    with StageBench(stage(service)) as bench:
        bench.sink.request(100)
        send(bench, 1, 2, 3)
        assert bench.source.demand == 0
        bench.advance(3.9)
        assert service.calls == [1, 2]
        service.down = False
        bench.advance(0.1)
        bench.sink.expect_next(-3)
        send(bench, 4)
        bench.sink.expect_next(-4)
        assert bench.source.outcomes.failed() == [0, 1]
        counters = bench.counters
        assert (counters["breaker_opened"], counters["breaker_probing"], counters["breaker_closed"]) == (1, 1, 1)
        bench.source.complete()


@pytest.mark.parametrize(("rejected", "failed", "dropped"), [("fail", [0, 1, 2, 3], []), ("drop", [0, 1], [2, 3])])
def test_elements_are_rejected_when_it_is_open(rejected: Any, failed: list[int], dropped: list[int]) -> None:
    """fail and drop: the stream goes on without calls, each element with its outcome and counted."""
    service = Service()
    with StageBench(stage(service, rejected=rejected)) as bench:
        bench.sink.request(100)
        send(bench, 1, 2, 3, 4)
        assert service.calls == [1, 2]
        assert bench.source.outcomes.failed() == failed
        assert bench.source.outcomes.dropped("circuit_open") == dropped
        assert bench.counters["rejected"] == 2
        assert bench.counters.get("dropped_circuit_open", 0) == len(dropped)
        if rejected == "fail":
            assert isinstance(bench.source.outcomes.errors()[-1].__cause__, CircuitOpen)
        bench.source.complete()


def test_probes_come_later_each_time_when_they_fail() -> None:
    """At 4, 4 + 8 and 4 + 8 + 8 s; the listener hears of every change."""
    service, heard = Service(), []
    with StageBench(stage(service, listener=lambda *change: heard.append(change[1]))) as bench:
        bench.sink.request(100)
        send(bench, 1, 2)
        for n, wait in ((3, 4.0), (4, 8.0), (5, 8.0)):
            send(bench, n)
            bench.advance(wait - 0.1)
            assert n not in service.calls
            bench.advance(0.1)
            assert service.calls[-1] == n
        assert heard == ["open", *["half_open", "open"] * 3]
        bench.source.complete()


def test_call_has_failed_when_it_takes_too_long() -> None:
    """It is cancelled, and counts as a failure."""
    ended: list[int] = []

    async def slow(n: int) -> int:
        await Sleep(3600.0)
        ended.append(n)
        return n

    with StageBench(stage(slow, call_timeout=1.0, failures=1, rejected="drop")) as bench:
        bench.sink.request(100)
        send(bench, 1)
        bench.advance(1.0)
        assert isinstance(bench.source.outcomes.errors()[0].__cause__, CallTimeout)
        send(bench, 2)
        assert bench.source.outcomes.dropped() == [1]
        bench.advance(3600.0)
        assert ended == []
        bench.source.complete()


def test_function_need_not_be_a_coroutine_function() -> None:
    """A plain one is called in the stream's thread."""
    with StageBench(CircuitBreaker(function=lambda n: n * 2)) as bench:
        bench.sink.request(2)
        bench.source.send(1)
        bench.sink.expect_next(2)


def test_late_success_does_not_close_it_when_it_began_before_it_opened() -> None:
    """Of two calls at a time the first fails and opens it; the second succeeds later: its result goes out, nothing else."""

    async def mixed(n: int) -> int:
        await Sleep(0.1 * n)
        if n == 1:
            raise ConnectionError("down")
        return n

    with StageBench(stage(mixed, failures=1, parallelism=2)) as bench:
        bench.sink.request(10)
        bench.source.send(1, 2)
        bench.advance(0.3)
        bench.sink.expect_next(2)
        assert "breaker_closed" not in bench.counters
        send(bench, 0)
        bench.advance(0.5)
        bench.sink.expect_no_next()
        bench.source.complete()
        bench.advance(4.0)
        bench.sink.expect_next(0)


def test_parameters_are_refused_when_they_make_no_sense() -> None:
    """Each of them, at once."""
    for wrong in ({"parallelism": 0}, {"reset_min": 9.0, "reset_max": 1.0}, {"call_timeout": 0.0}, {"parallelism": 5000}):
        with pytest.raises(ConfigError):
            CircuitBreaker(function=plus_one, **wrong)

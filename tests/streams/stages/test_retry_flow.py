"""retry_flow: contract and own cases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.dsl import Flow
from rt_edge.streams.stages.retry_flow import RetryFlow
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import Broken, StageContract

FAST: dict[str, Any] = {"min_backoff": 1.0, "max_backoff": 4.0, "jitter": 0.0}


class TestRetryFlow(StageContract):
    residue_differs = "an element under way is handed on raw"

    def make(self) -> RetryFlow:
        return RetryFlow(flow=Flow().map(lambda x: x + 1).filter(lambda x: x % 5))

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[x + 1 for x in inputs[0] if (x + 1) % 5]]


class TestRetryFlowTogether(StageContract):
    residue_differs = "elements under way are handed on raw"

    def make(self) -> RetryFlow:
        return RetryFlow(flow=Flow().map(lambda x: x + 1))

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[x + 1 for x in inputs[0]]]


class TestRetryFlowThatFailsAtTimes(StageContract):
    residue_differs = "elements under way are handed on raw"

    def make(self) -> RetryFlow:
        return RetryFlow(flow=Flow().map(flaky(lambda x: x % 9 == 7)), min_backoff=0.01, max_backoff=0.02)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[-x for x in inputs[0]]]


def flaky(failures: int | Callable[[Any], int]) -> Callable[[Any], Any]:
    """Fails so many times for each element."""
    seen: dict[Any, int] = {}

    def call(x: Any) -> Any:
        seen[x] = seen.get(x, 0) + 1
        if seen[x] <= (failures if isinstance(failures, int) else failures(x)):
            raise Broken(f"attempt {seen[x]} of {x}")
        return -x

    return call


def test_element_is_tried_again_when_its_flow_fails() -> None:
    """After waits that double; order is kept and the next element waits."""
    with StageBench(RetryFlow(flow=Flow().map(flaky(2)), **FAST)) as bench:
        bench.sink.request(10)
        bench.source.send(1)
        bench.advance(2.9)
        bench.sink.expect_no_signal()
        bench.source.expect_no_request()
        bench.advance(0.2)
        bench.sink.expect_next(-1)
        assert bench.counters["retries"] == 2
        bench.source.send(2)
        bench.source.complete()
        bench.advance(1.0)
        bench.sink.expect_no_signal()
        bench.advance(2.0)
        bench.sink.expect_next(-2)
        bench.sink.expect_complete()
        assert bench.source.outcomes.stored() == [0, 1]


@pytest.mark.parametrize("on_error", ["resume", "stop"])
def test_element_fails_when_its_attempts_are_used_up(on_error: Any) -> None:
    """Under resume the next one has attempts of its own."""
    with StageBench(RetryFlow(flow=Flow().map(flaky(3)), attempts=3, on_error=on_error, **FAST)) as bench:
        bench.sink.request(10)
        bench.source.send(1)
        bench.advance(10.0)
        assert bench.source.outcomes.failed() == [0]
        assert "attempt 3 of 1" in str(bench.source.outcomes.errors()[0])
        if on_error == "stop":
            bench.sink.expect_error(Broken)
        else:
            bench.source.send(2)
            bench.sink.expect_no_signal()
            assert bench.counters["given_up"] == 1


def test_element_is_tried_again_when_its_result_is_not_good_enough() -> None:
    """A function says with which element; what it raises gives the element up."""

    def again(element: int, result: int) -> int | None:
        if element == 7:
            raise Broken("seven")
        return element + 1 if result % 10 else None

    with StageBench(RetryFlow(flow=Flow().map(lambda x: x * 5), again=again, **FAST)) as bench:
        bench.sink.request(10)
        bench.source.send(3)
        bench.sink.expect_no_signal()
        bench.advance(1.0)
        bench.sink.expect_next(20)
        bench.source.send(7)
        assert bench.source.outcomes.failed() == [1]


def test_element_fails_when_the_flow_gives_several_for_it() -> None:
    """One element for one, or none."""
    with StageBench(RetryFlow(flow=Flow().map_concat(lambda x: [x] * x), **FAST)) as bench:
        bench.sink.request(10)
        bench.source.send(2)
        assert "more than one element" in str(bench.source.outcomes.errors()[0])
        bench.source.send(0)
        bench.source.send(1)
        bench.sink.expect_next(1)
        assert bench.source.outcomes.dropped("filtered") == [1]


def test_settings_are_refused_when_they_make_no_sense() -> None:
    """No flow, no attempt; from a configuration by steps."""
    for wrong in ({"flow": None}, {"attempts": 0}, {"again": "x"}):
        with pytest.raises(ConfigError):
            RetryFlow(**{"flow": Flow().map(str), **wrong})
    stage, errors = Catalogue.built_in().check("retry_flow", {"steps": [{"filter": "t > 1"}], "min_backoff": "100ms"})
    assert stage is not None
    assert not errors


def test_elements_go_together_when_the_flow_knows_of_no_other() -> None:
    """While all goes well; one that fails is tried again alone, in its place, and no element is given to the function twice."""
    calls: list[int] = []

    def call(x: int) -> int:
        calls.append(x)
        if x == 5 and calls.count(5) < 3:
            raise Broken("five")
        return -x

    with StageBench(RetryFlow(flow=Flow().map(call), **FAST)) as bench:
        bench.sink.request(500)
        bench.source.expect_request(1)
        bench.source.send(0)
        assert bench.source.demand == 256
        bench.source.send(*range(1, 10))
        bench.sink.expect_next(0, -1, -2, -3, -4)
        bench.advance(1.1)
        bench.sink.expect_no_signal()
        assert bench.counters["retries"] == 2
        bench.advance(2.0)
        bench.sink.expect_next(-5, -6, -7, -8, -9)
        assert calls == [0, 1, 2, 3, 4, 5, 5, 5, 6, 7, 8, 9]
        assert bench.source.outcomes.stored() == list(range(10))
    with StageBench(RetryFlow(flow=Flow().map(call).filter(lambda x: x), **FAST)) as bench:
        bench.sink.request(500)
        bench.source.expect_request(1)
        bench.source.send(0)
        assert bench.source.demand == 1


def test_element_is_given_up_alone_when_it_goes_with_others() -> None:
    """What the flow leaves out is dropped, the one that fails each time fails, the others go out."""

    def keep(x: int) -> bool:
        if x == 3:
            raise Broken("three")
        return x % 2 == 1

    with StageBench(RetryFlow(flow=Flow().filter(keep), attempts=2, **FAST)) as bench:
        bench.sink.request(500)
        bench.source.send(1)
        bench.source.send(2, 3, 4, 5)
        bench.source.complete()
        bench.advance(2.0)
        bench.sink.expect_next(1, 5)
        bench.sink.expect_complete()
        assert bench.source.outcomes.failed() == [2]
        assert bench.source.outcomes.dropped("filtered") == [1, 3]
        assert bench.counters["dropped_filtered"] == 2

"""map: contract and own cases."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.errors import StreamError
from rt_edge.streams.stages.map import Map
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import SupervisionContract, raising


class TestMap(SupervisionContract):
    def make(self) -> Map:
        return Map(lambda x: x + 1)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[x + 1 for x in inputs[0]]]

    def make_failing(self, on_error: Any) -> Map:
        return Map(raising(lambda x: x), on_error=on_error)


def test_element_fails_when_the_function_returns_none() -> None:
    """None is no element (rule 2.13): under resume it fails alone."""
    with StageBench(Map({1: "a", 3: "c"}.get, on_error="resume")) as bench:
        bench.sink.request(3)
        bench.source.send(1, 2, 3)
        bench.sink.expect_next("a", "c")
        bench.sink.expect_no_signal()
        assert bench.source.outcomes.failed() == [1]
        bench.source.expect_request(1)


def test_function_is_called_once_per_element_when_one_of_a_chunk_fails() -> None:
    """A failure in the middle of a chunk does not make the function run again for the elements before it."""
    calls: list[int] = []

    def function(x: int) -> int:
        calls.append(x)
        return 1 // x

    with StageBench(Map(function, on_error="resume")) as bench:
        bench.sink.request(4)
        bench.source.send(1, 0, 1, 0)
        assert calls == [1, 0, 1, 0]
        bench.sink.expect_next(1, 1)


def test_later_elements_are_not_touched_when_the_stage_stops() -> None:
    """Under stop, user code is not called behind the element that failed."""
    calls: list[int] = []

    def function(x: int) -> int:
        calls.append(x)
        return 1 // x

    with StageBench(Map(function)) as bench:
        bench.sink.request(4)
        bench.source.send(1, 0, 1, 1)
        bench.sink.expect_next(1)
        bench.sink.expect_error(ZeroDivisionError)
        assert calls == [1, 0]
        assert bench.source.outcomes.failed() == [1, 2, 3]


def test_stop_iteration_is_a_failure_when_user_code_raises_it() -> None:
    """A function that raises StopIteration does not cut a chunk short."""

    def function(x: int) -> int:
        if x == 2:
            raise StopIteration
        return x

    with StageBench(Map(function, on_error="resume")) as bench:
        bench.sink.request(3)
        bench.source.send(1, 2, 3)
        bench.sink.expect_next(1, 3)
        assert isinstance(bench.source.outcomes.errors()[0], StreamError)


def test_failures_are_logged_once_when_one_element_after_the_other_fails(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A series of failures is one line, its end another: the log is for people."""
    caplog.set_level("INFO")
    with StageBench(Map(lambda x: 1 // x, on_error="resume")) as bench:
        bench.sink.request(10)
        for element in (0, 0, 0, 1, 1, 0):
            bench.source.send(element)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 3
    assert messages[0].startswith("tested: 1 elements failed, first: ZeroDivisionError")
    assert messages[1] == "tested: works again"
    assert bench.counters["errors"] == 4

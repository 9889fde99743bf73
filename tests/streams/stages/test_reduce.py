"""reduce and fold_while: contracts and own cases."""

from __future__ import annotations

from typing import Any

from rt_edge.data.errors import StreamError
from rt_edge.data.receipt import Failed, Stored
from rt_edge.streams.stages.fold import Fold
from rt_edge.streams.stages.fold_while import FoldWhile
from rt_edge.streams.stages.reduce import Reduce
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import BAD, StageContract, SupervisionContract, raising


class TestReduce(StageContract):
    def make(self) -> Reduce:
        return Reduce(function=lambda a, x: f"{a},{x}")

    def item(self, n: int) -> str:
        return str(n)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[",".join(inputs[0])] if inputs[0] else []]

    def test_completes_when_upstream_has_no_elements(self) -> None:
        """It fails without an element, and says why."""
        with StageBench(self.make()) as bench:
            bench.source.complete()
            assert "without an element" in str(bench.sink.expect_error(StreamError))


class TestFoldWhile(SupervisionContract):
    def make(self) -> FoldWhile:
        return FoldWhile(zero=(), predicate=lambda a: len(a) < 17, function=lambda a, x: (*a, x))

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[tuple(inputs[0][:17])]]

    def make_failing(self, on_error: Any) -> FoldWhile:
        return FoldWhile(zero=(), predicate=lambda a: True, function=raising(lambda a, x: (*a, x)), on_error=on_error)

    def after_failure(self, inputs: list[Any], on_error: str) -> list[Any]:
        if on_error == "stop":
            return []
        place = inputs.index(BAD)
        return [tuple(inputs[place + 1 :]) if on_error == "restart" else tuple(x for x in inputs if x != BAD)]


def test_guilty_element_fails_when_reduce_is_supervised() -> None:
    """Resume goes on without it, restart begins again with the next, stop fails."""
    function = raising(lambda a, x: a + x)
    for on_error, failed, result in (("resume", [2], 10), ("restart", [0, 1, 2], 7), ("stop", [2, 3, 4], None)):
        with StageBench(Reduce(function=function, on_error=on_error)) as bench:  # type: ignore[arg-type]
            bench.sink.request(1)
            bench.source.send(1, 2, BAD, 3, 4)
            if result is None:
                bench.sink.expect_error()
                assert bench.source.outcomes.failed() == [0, 1, *failed]
                continue
            bench.source.complete()
            bench.sink.expect_next(result)
            assert bench.source.outcomes.failed() == failed


def test_rest_is_dropped_when_it_is_enough() -> None:
    """The element with which the predicate is false is in the result; those behind it are dropped."""
    with StageBench(FoldWhile(zero=0, predicate=lambda a: a < 5, function=lambda a, x: a + x), keep=True) as bench:
        bench.sink.request(1)
        bench.source.send(1, 2, 3, 4, 5)
        bench.sink.expect_next(6)
        bench.sink.expect_complete()
        assert bench.source.outcomes.dropped("cancelled") == [3, 4]
        assert bench.source.expect_cancellation() is None
        bench.sink.settle_all()
        assert [type(bench.source.outcomes.by_mark[mark]) for mark in range(3)] == [Stored] * 3


def test_nothing_is_asked_for_when_the_first_state_is_enough() -> None:
    """The predicate is asked about `zero` too."""
    with StageBench(FoldWhile(zero=9, predicate=lambda a: a < 5, function=max)) as bench:
        bench.source.expect_cancellation()
        bench.sink.request(1)
        bench.sink.expect_next(9)
        bench.sink.expect_complete()


def test_predicate_is_user_code_when_it_raises() -> None:
    """Its element fails, and the state stays as it was."""
    predicate = raising(lambda a: True)
    stage = FoldWhile(zero=0, predicate=predicate, function=lambda a, x: a + x, on_error="resume")
    with StageBench(stage) as bench:
        bench.sink.request(1)
        bench.source.send(1, BAD - 1, 2)
        bench.source.complete()
        bench.sink.expect_next(3)
        assert bench.source.outcomes.failed() == [1]


def test_stage_fails_when_the_result_is_none() -> None:
    """None is no element (rule 2.13)."""
    for stage in (Fold(zero=0, function=lambda a, x: None), Reduce(function=lambda a, x: None)):
        with StageBench(stage) as bench:
            bench.sink.request(1)
            bench.source.send(1, 2)
            bench.source.complete()
            bench.sink.expect_error(TypeError)
            assert {type(o) for o in bench.source.outcomes.by_mark.values()} == {Failed}

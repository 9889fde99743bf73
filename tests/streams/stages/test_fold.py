"""fold: contract and own cases."""

from __future__ import annotations

from typing import Any

from rt_edge.data.receipt import Failed, Stored
from rt_edge.streams.stage import Hold
from rt_edge.streams.stages.fold import Fold
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import BAD, SupervisionContract, raising


class TestFold(SupervisionContract):
    def make(self) -> Fold:
        return Fold(zero=(), function=lambda a, x: (*a, x))

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[tuple(inputs[0])]]

    def make_failing(self, on_error: Any) -> Fold:
        return Fold(zero=(), function=raising(lambda a, x: (*a, x)), on_error=on_error)

    def after_failure(self, inputs: list[Any], on_error: str) -> list[Any]:
        if on_error == "stop":
            return []
        place = inputs.index(BAD)
        return [tuple(inputs[place + 1 :]) if on_error == "restart" else tuple(x for x in inputs if x != BAD)]


def test_elements_are_settled_when_the_result_is() -> None:
    """Nothing is settled before the result is; under restart what was folded so far fails."""
    function = raising(lambda a, x: a + x)
    with StageBench(Fold(zero=0, function=function, on_error="restart"), keep=True) as bench:
        bench.sink.request(1)
        bench.source.send(1, 2, BAD, 3)
        bench.source.send(4)
        assert bench.source.outcomes.failed() == [0, 1, 2]
        bench.source.complete()
        bench.sink.expect_next(7)
        assert 3 not in bench.source.outcomes.by_mark
        bench.sink.settle_all()
        assert [type(bench.source.outcomes.by_mark[m]) for m in range(5)] == [Failed] * 3 + [Stored] * 2


def test_elements_are_settled_on_intake_when_early() -> None:
    """`settle: early` settles at once; the planner is told that nothing is held."""
    stage = Fold(zero=0, function=lambda a, x: a + x, settle="early")
    with StageBench(stage) as bench:
        bench.sink.request(1)
        bench.source.send(1, 2)
        assert bench.source.outcomes.stored() == [0, 1]
    assert stage.holds() == Hold(0)
    assert Fold(zero=0, function=max).holds() == Hold(None)


def test_state_so_far_is_handed_on_when_the_stage_is_removed() -> None:
    """The residue is what it would emit on completion."""
    with StageBench(Fold(zero=0, function=lambda a, x: a + x)) as bench:
        bench.sink.request(1)
        bench.source.send(1, 2)
        (residue,) = bench.logic.residue()
        assert residue.items == [3]
        residue.settle()
        assert bench.source.outcomes.stored() == [0, 1]

"""partition: contract and own cases."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading
from rt_edge.streams.expression import ExpressionError
from rt_edge.streams.stages.partition import Partition
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract, SupervisionContract, raising


class TestPartition(SupervisionContract):
    def make(self) -> Partition:
        return Partition(lambda x: x % 3, 3)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[x for x in inputs[0] if x % 3 == i] for i in range(3)]

    def make_failing(self, on_error: Any) -> Partition:
        return Partition(raising(lambda x: 0), 1, on_error=on_error)

    def after_failure(self, inputs: list[Any], on_error: str) -> list[Any] | None:
        return None if on_error == "stop" else super().after_failure(inputs, on_error)  # type: ignore[arg-type]


class TestPartitionByExpression(StageContract):
    def make(self) -> Partition:
        return Partition("n % 2 == 1")

    def item(self, n: int) -> Reading:
        return Reading("plc/a", n, {"n": n})

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[x for x in inputs[0] if x.fields["n"] % 2 == i] for i in range(2)]


def test_other_branches_wait_when_an_element_waits_for_its_branch() -> None:
    """Order is kept: nothing is asked for while an element waits for a branch that does not ask."""
    with StageBench(Partition(lambda x: x % 2)) as bench:
        bench.sinks[0].request(3)
        bench.source.send(0, 1, 2)
        bench.sinks[0].expect_next(0, 2)
        bench.source.expect_no_request()
        bench.sinks[1].request(1)
        bench.sinks[1].expect_next(1)
        bench.source.expect_request(1)


def test_element_fails_when_its_index_is_none_of_the_outlets() -> None:
    """An index without an outlet is an error of the element."""
    with StageBench(Partition(lambda x: x, on_error="resume")) as bench:
        for sink in bench.sinks:
            sink.request(3)
        bench.source.send(0, 2, -1)
        assert bench.source.outcomes.failed() == [1, 2]
        assert "not the index of an outlet" in str(bench.source.outcomes.errors()[0])


def test_elements_are_dropped_when_their_branch_has_cancelled() -> None:
    """Until all branches have cancelled, those of a cancelled one are settled as dropped and counted."""
    with StageBench(Partition(lambda x: x % 2)) as bench:
        bench.sinks[0].request(3)
        bench.source.send(1, 0)
        bench.sinks[1].cancel()
        bench.source.send(3, 2)
        bench.sinks[0].expect_next(0, 2)
        assert bench.source.outcomes.dropped("branch_cancelled") == [0, 2]
        assert bench.counters["dropped_branch_cancelled"] == 2


def test_missing_field_means_the_first_branch_when_by_is_an_expression() -> None:
    """A reading in which a field of the expression is missing goes to `out0` and is counted."""
    with StageBench(Partition("n > 0")) as bench:
        bench.sinks[0].request(1)
        bench.source.send(Reading("a", 0, {}))
        assert len(bench.sinks[0].received) == 1
        assert bench.counters["missing_field"] == 1


def test_settings_are_refused_when_by_is_neither_expression_nor_function() -> None:
    """What cannot choose a branch is a settings error."""
    with pytest.raises(ExpressionError):
        Partition("a.b")
    with pytest.raises(ConfigError, match="has to be an expression"):
        Partition(3)


def test_stage_completes_when_the_branch_it_waited_for_cancels() -> None:
    """After completion upstream, what waits for a branch that cancels is dropped and holds up nobody."""
    with StageBench(Partition(lambda x: x % 2)) as bench:
        bench.sinks[0].request(1)
        bench.source.send(1)
        bench.source.complete()
        bench.sinks[0].expect_no_signal()
        bench.sinks[1].cancel()
        bench.sinks[0].expect_complete()
        assert bench.source.outcomes.dropped("branch_cancelled") == [0]

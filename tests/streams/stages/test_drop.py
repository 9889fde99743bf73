"""drop: contract and own cases."""

from __future__ import annotations

from typing import Any

from rt_edge.streams.stages.drop import Drop
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract


class TestDrop(StageContract):
    def make(self) -> Drop:
        return Drop(17)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [inputs[0][17:]]


def test_dropped_elements_are_settled_and_asked_for_again_when_skipped() -> None:
    """What is skipped is settled as dropped, counted, and replaced by new demand."""
    with StageBench(Drop(3)) as bench:
        bench.sink.request(4)
        bench.source.send(1, 2, 3, 4)
        bench.sink.expect_next(4)
        bench.source.expect_request(3)
        assert bench.source.outcomes.dropped("skipped") == [0, 1, 2]
        assert bench.counters["dropped_skipped"] == 3

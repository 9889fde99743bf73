"""filter: contract and own cases."""

from __future__ import annotations

from typing import Any

from rt_edge.streams.stages.filter import Filter
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import SupervisionContract, raising


class TestFilter(SupervisionContract):
    def make(self) -> Filter:
        return Filter(lambda x: x % 3)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[x for x in inputs[0] if x % 3]]

    def make_failing(self, on_error: Any) -> Filter:
        return Filter(raising(lambda x: True), on_error=on_error)


def test_filter_asks_again_in_the_same_turn_when_it_drops() -> None:
    """What was dropped is asked for again at once, settled as dropped and counted."""
    with StageBench(Filter(lambda x: x > 2)) as bench:
        bench.sink.request(2)
        bench.source.send(1, 2)
        bench.source.expect_request(2)
        bench.sink.expect_no_signal()
        bench.source.send(3, 1)
        bench.sink.expect_next(3)
        bench.source.expect_request(1)
        assert bench.source.outcomes.dropped("filtered") == [0, 1, 3]
        assert bench.counters["dropped_filtered"] == 3

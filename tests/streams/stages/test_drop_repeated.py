"""drop_repeated and map_option: contracts and own cases."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from rt_edge.data.reading import Reading, gap_reading
from rt_edge.streams.stages.drop_repeated import DropRepeated
from rt_edge.streams.stages.map_option import MapOption
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import BAD, StageContract, SupervisionContract, raising


class TestDropRepeated(SupervisionContract):
    def make(self) -> DropRepeated:
        return DropRepeated(lambda x: x // 3)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[next(group) for _, group in groupby(inputs[0], lambda x: x // 3)]]

    def make_failing(self, on_error: Any) -> DropRepeated:
        return DropRepeated(raising(lambda x: x), on_error=on_error)


class TestDropRepeatedItself(StageContract):
    def make(self) -> DropRepeated:
        return DropRepeated()

    def item(self, n: int) -> int:
        return n // 4

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[key for key, _ in groupby(inputs[0])]]


class TestMapOption(SupervisionContract):
    def make(self) -> MapOption:
        return MapOption(lambda x: -x if x % 3 else None)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[-x for x in inputs[0] if x % 3]]

    def make_failing(self, on_error: Any) -> MapOption:
        return MapOption(raising(lambda x: x), on_error=on_error)


def test_next_element_passes_when_the_stage_was_restarted() -> None:
    """A restart forgets the key, resume does not."""
    for on_error, passed in (("restart", [1, 1]), ("resume", [1])):
        with StageBench(DropRepeated(raising(lambda x: x), on_error=on_error)) as bench:  # type: ignore[arg-type]
            bench.sink.request(9)
            bench.source.send(1, BAD, 1)
            bench.sink.expect_next(*passed)
            bench.sink.expect_no_next()


def test_gap_records_pass_when_the_key_is_an_expression() -> None:
    """They are no change of the value."""
    gap = gap_reading("plc/a", 1, 2, "offline")
    readings = [Reading("plc/a", n, {"n": value}) for n, value in enumerate([1, 1, 2])]
    with StageBench(DropRepeated("n")) as bench:
        bench.sink.request(9)
        bench.source.send(readings[0], gap, readings[1], gap, readings[2])
        bench.sink.expect_next(readings[0], gap, gap, readings[2])
        assert bench.source.outcomes.dropped("filtered") == [2]
        assert bench.counters["dropped_filtered"] == 1


def test_none_is_nothing_when_a_function_gives_it() -> None:
    """What the function leaves out is settled as dropped; false values are elements."""
    with StageBench(MapOption({1: 0, 2: ""}.get)) as bench:
        bench.sink.request(9)
        bench.source.send(1, 2, 3)
        bench.sink.expect_next(0, "")
        assert bench.source.outcomes.dropped("filtered") == [2]

"""split_when, split_after: contract and own cases."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.dsl import Flow, Source
from rt_edge.streams.stages.split_when import SplitWhen
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract, SupervisionContract, raising


def parts(inputs: list[int], after: bool = False) -> list[list[int]]:
    """Cut in front of (or behind) each seventh."""
    made: list[list[int]] = []
    begins = True
    for x in inputs:
        if begins or (not after and x % 7 == 0):
            made.append([])
        made[-1].append(x)
        begins = after and x % 7 == 0
    return made


class TestSplitWhen(SupervisionContract):
    residue_differs = "what waits for the end of a part is handed on raw"

    def make(self) -> SplitWhen:
        return SplitWhen(where=lambda x: x % 7 == 0, flow=Flow().fold((), lambda done, x: (*done, x)))

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[tuple(part) for part in parts(inputs[0])]]

    def make_failing(self, on_error: Any) -> SplitWhen:
        return SplitWhen(where=raising(lambda x: False), flow=Flow().map(lambda x: x), on_error=on_error)

    def after_failure(self, inputs: list[Any], on_error: str) -> list[Any] | None:
        return None if on_error == "restart" else super().after_failure(inputs, on_error)  # type: ignore[arg-type]


class TestSplitAfter(StageContract):
    residue_differs = "what waits for the end of a part is handed on raw"

    def make(self) -> SplitWhen:
        return SplitWhen(where=lambda x: x % 7 == 0, flow=Flow().fold((), lambda done, x: (*done, x)), after=True)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[tuple(part) for part in parts(inputs[0], after=True)]]


class TestSplitBroad(StageContract):
    ordered = False

    def make(self) -> SplitWhen:
        return SplitWhen(where=lambda x: x % 3 == 0, flow=Flow().map(lambda x: -x), breadth=4)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[-x for x in inputs[0]]]


def test_next_part_waits_when_the_flow_before_it_has_not_ended() -> None:
    """With a breadth of 1 the parts stay in order, whatever the flow waits for; nothing is asked for meanwhile."""
    flow = Flow().merge(Source.tick(5.0).take(1))
    with StageBench(SplitWhen(where=lambda x: x == 0, flow=flow)) as bench:
        bench.sink.request(100)
        bench.source.send(1, 0, 2)
        bench.sink.expect_next(1)
        bench.source.expect_request()
        bench.source.send(*[3] * bench.source.demand)
        bench.sink.expect_no_next()
        bench.source.expect_no_request()
        bench.advance(5.0)
        assert bench.sink.received[:4] == [1, "tick", 0, 2]


def test_rest_of_a_part_is_dropped_when_its_flow_has_ended() -> None:
    """The first element of each part, with `take`."""
    with StageBench(SplitWhen(where=lambda x: x % 3 == 0, flow=Flow().take(1))) as bench:
        bench.sink.request(100)
        for x in range(8):
            bench.source.send(x)
        bench.sink.expect_next(0, 3, 6)
        assert bench.source.outcomes.dropped("substream_ended") == [1, 2, 4, 5, 7]


@pytest.mark.parametrize("on_error", ["resume", "stop"])
def test_part_fails_when_its_flow_does(on_error: Any) -> None:
    """Under resume the next part is not touched."""
    flow = Flow().map(lambda x: 6 // x)
    with StageBench(SplitWhen(where=lambda x: x == 1, flow=flow, on_error=on_error)) as bench:
        bench.sink.request(100)
        for x in (1, 2, 0, 3, 1, 6):
            if not bench.source.ended:
                bench.source.send(x)
        if on_error == "resume":
            bench.sink.expect_next(6, 3, 6, 1)
            assert (bench.source.outcomes.failed(), bench.source.outcomes.dropped()) == ([2], [3])
        else:
            bench.sink.expect_next(6, 3)
            bench.sink.expect_error(ZeroDivisionError)


def test_settings_are_refused_when_they_make_no_parts() -> None:
    """A condition and a flow are needed; both can come from a configuration."""
    for wrong in ({"flow": None}, {"flow": 7}, {"breadth": 0}, {"where": 7}, {"breadth": 5000}):
        with pytest.raises(ConfigError):
            SplitWhen(**{"where": "t > 1", "flow": Flow().take(1), **wrong})
    stage, errors = Catalogue.built_in().check("split_when", {"where": "start", "steps": [{"grouped": 3}], "after": True})
    assert not errors
    assert stage is not None
    assert stage.combines

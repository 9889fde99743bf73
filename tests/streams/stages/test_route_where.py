"""route_where: contract and own cases."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading, gap_reading
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.expression import ExpressionError
from rt_edge.streams.planner import analyse
from rt_edge.streams.stages.route_where import RouteWhere
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract, SupervisionContract, raising
from rt_edge.testkit.stage_schedule import drive

THREES, FIVES = (lambda x: x % 3 == 0), (lambda x: x % 5 == 0)


class TestRouteWhereAll(SupervisionContract):
    """Conditions that exclude each other: what goes to two branches is stored when one has stored it, at a stop too."""

    def make(self) -> RouteWhere:
        return RouteWhere(conditions=[THREES, lambda x: x % 3 == 1], otherwise=True)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[x for x in inputs[0] if x % 3 == i] for i in range(3)]

    def make_failing(self, on_error: Any) -> RouteWhere:
        return RouteWhere(conditions=[raising(lambda x: True)], on_error=on_error)

    def after_failure(self, inputs: list[Any], on_error: str) -> list[Any] | None:
        return None if on_error == "stop" else super().after_failure(inputs, on_error)  # type: ignore[arg-type]


class TestRouteWhereFirst(StageContract):
    def make(self) -> RouteWhere:
        return RouteWhere(conditions=["n % 3 == 0", "n % 5 == 0"], matching="first")

    def item(self, n: int) -> Reading:
        return Reading("plc/a", n, {"n": n})

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        [items] = inputs
        return [
            [x for x in items if x.fields["n"] % 3 == 0],
            [x for x in items if x.fields["n"] % 5 == 0 and x.fields["n"] % 3],
        ]


@pytest.mark.parametrize("seed", range(12))
def test_every_branch_gets_what_is_for_it_when_conditions_overlap(seed: int) -> None:
    """Whatever the schedule; and every element has one outcome."""
    random = Random(seed)
    items = list(range(60))
    with StageBench(RouteWhere(conditions=[THREES, FIVES], otherwise=True), seed=seed, keep=seed % 2 == 0) as bench:
        drive(bench, [items], random)
        assert [sink.received for sink in bench.sinks] == [
            [x for x in items if x % 3 == 0],
            [x for x in items if x % 5 == 0],
            [x for x in items if x % 3 and x % 5],
        ]
        assert all(sink.completed for sink in bench.sinks)


def test_element_is_settled_when_all_its_branches_have_settled_it() -> None:
    """What meets two conditions is stored when both have stored it; what meets one, when that one has."""
    with StageBench(RouteWhere(conditions=[THREES, FIVES]), keep=True) as bench:
        for sink in bench.sinks:
            sink.request(9)
        bench.source.send(15, 3, 5, 7)
        outcomes = bench.source.outcomes
        assert outcomes.dropped("unmatched") == [3]
        assert bench.counters["dropped_unmatched"] == 1
        bench.sinks[0].settle_all()
        assert outcomes.stored() == [1]
        bench.sinks[1].settle_all()
        assert outcomes.stored() == [0, 1, 2]


def test_gap_and_missing_field_are_told_apart_when_conditions_are_expressions() -> None:
    """A gap record goes to all, a reading without the field to the others."""
    stage = RouteWhere(conditions=["t > 0", "t > 100"], otherwise=True)
    with StageBench(stage) as bench:
        for sink in bench.sinks:
            sink.request(9)
        gap, empty = gap_reading("a", "offline", 0, 1), Reading("a", 0, {"u": 1})
        bench.source.send(gap, empty)
        assert [sink.received for sink in bench.sinks] == [[gap], [gap], [empty]]
        assert bench.counters["missing_field"] == 2


def test_elements_are_dropped_when_their_branch_has_cancelled() -> None:
    """Counted; the others go on, and what waited holds up nobody."""
    with StageBench(RouteWhere(conditions=[THREES, FIVES], matching="first")) as bench:
        bench.sinks[0].request(9)
        bench.source.send(5, 3, 6, 9, 12, 18, 21, 24, 27)
        bench.source.expect_no_request()
        bench.sinks[1].cancel()
        bench.source.expect_request()
        bench.source.send(10)
        assert bench.source.outcomes.dropped("branch_cancelled") == [0, 9]
        bench.sinks[0].cancel()
        bench.source.expect_cancellation()


def test_residue_is_what_waits_when_the_stage_is_taken_out() -> None:
    """Branch by branch."""
    with StageBench(RouteWhere(conditions=[THREES, FIVES], matching="first"), keep=True) as bench:
        bench.sinks[0].request(1)
        bench.source.send(5)
        [chunk] = bench.logic.residue()
        assert list(chunk.items) == [5]
        assert bench.logic.residue() == []
        chunk.settle()


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: RouteWhere(conditions=[]), ConfigError),
        (lambda: RouteWhere(conditions=["a >"]), ExpressionError),
        (lambda: RouteWhere(conditions=[3]), ConfigError),  # type: ignore[list-item]
        (lambda: RouteWhere(conditions=["a"] * 64, otherwise=True), ConfigError),
    ],
)
def test_settings_are_refused_when_they_make_no_sense(make: Any, error: type[Exception]) -> None:
    """Before anything runs."""
    with pytest.raises(error):
        make()


def test_stage_is_made_when_a_configuration_names_it() -> None:
    """With a list of expressions alone too."""
    catalogue = Catalogue.built_in()
    properties = catalogue.properties("route_where", ["t > 80", "t < -10"])
    stage, errors = catalogue.check("route_where", {**properties, "otherwise": True})
    assert errors == []
    assert stage is not None
    assert [port.name for port in stage.outlets] == ["out0", "out1", "out2"]


def test_what_it_may_hold_is_in_the_bound_when_a_graph_is_analysed() -> None:
    """A fan-out that holds counts, though it splits receipts: a chunk for each branch, or one in all."""
    for matching, holds in (("all", 2 * CHUNK_ELEMENTS), ("first", CHUNK_ELEMENTS)):
        stage = RouteWhere(conditions=[THREES, FIVES], matching=matching)  # type: ignore[arg-type]
        assert analyse({"where": stage}, {}, []).bound == holds

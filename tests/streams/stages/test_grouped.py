"""grouped: contract and own cases."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from rt_edge.data.receipt import Failed, Stored
from rt_edge.protocol.demand import UNBOUNDED
from rt_edge.streams.dsl import Sink, Source
from rt_edge.streams.stage import Hold
from rt_edge.streams.stages.count import Count
from rt_edge.streams.stages.grouped import Grouped
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract
from rt_edge.testkit.virtual_clock import VirtualHost


def groups(items: list[Any], n: int) -> list[list[Any]]:
    """The obvious function."""
    return [items[i : i + n] for i in range(0, len(items), n)]


class TestGrouped(StageContract):
    settle: Literal["end", "early"] = "end"

    def make(self) -> Grouped:
        return Grouped(7, settle=self.settle)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [groups(inputs[0], 7)]


class TestGroupedSettledEarly(TestGrouped):
    settle = "early"


class TestGroupedByOne(TestGrouped):
    def make(self) -> Grouped:
        return Grouped(1)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [groups(inputs[0], 1)]


def test_elements_share_the_outcome_when_they_are_one_list() -> None:
    """A list's outcome is that of all elements in it; nothing is settled before."""
    with StageBench(Grouped(2), keep=True) as bench:
        bench.sink.request(2)
        bench.source.send(1)
        bench.source.send(2, 3, 4)
        bench.sink.expect_next([1, 2], [3, 4])
        assert bench.source.outcomes.by_mark == {}
        bench.sink.held[0].settle()
        bench.sink.held[1].fail(ValueError())
        assert [type(bench.source.outcomes.by_mark[m]) for m in range(4)] == [Stored, Stored, Failed, Failed]


def test_elements_are_settled_on_intake_when_early() -> None:
    """`settle: early` settles at once and holds nothing."""
    with StageBench(Grouped(2, settle="early"), keep=True) as bench:
        bench.sink.request(1)
        bench.source.send(1)
        assert bench.source.outcomes.stored() == [0]
    assert Grouped(2, settle="early").holds() == Hold(0)
    assert Grouped(2).holds() == Hold(2)


def test_short_list_is_handed_on_when_the_stage_is_removed() -> None:
    """The residue is what it would emit on completion."""
    with StageBench(Grouped(3)) as bench:
        bench.sink.request(1)
        bench.source.send(1, 2)
        residue = bench.logic.residue()
        assert [chunk.items for chunk in residue] == [[[1, 2]]]
        residue[0].settle()
        assert bench.source.outcomes.stored() == [0, 1]


@pytest.mark.parametrize(("demand", "asked"), [(1, 3), (4, 12), (10_000, 1024)])
def test_demand_is_multiplied_when_lists_are_wanted(demand: int, asked: int) -> None:
    """It asks for what fills the lists wanted, at most a chunk at a time."""
    with StageBench(Grouped(3)) as bench:
        bench.sink.request(demand)
        bench.source.expect_request(asked)


def test_upstream_is_asked_again_when_demand_is_unbounded() -> None:
    """With one demand for everything, list after list is asked for."""
    with StageBench(Grouped(1000)) as bench:
        bench.sink.request(UNBOUNDED)
        for _ in range(10):
            bench.source.send(*range(500))
        assert len(bench.sink.received) == 5


def test_lists_do_not_pile_up_when_all_are_wanted() -> None:
    """One chunk goes out at a time: with any demand, no more is asked for than goes out."""
    sink = Sink(Count(demand=1_000_000), "count")
    host = VirtualHost()
    running = Source.from_iterable(range(60_000)).grouped(3).to(sink).run(host)
    host.advance(1.0)
    assert running.results["count"].value() == 20_000

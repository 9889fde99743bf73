"""sliding: contract and own cases."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.data.receipt import Dropped, Failed, Stored
from rt_edge.protocol.demand import UNBOUNDED
from rt_edge.streams.stage import Hold
from rt_edge.streams.stages.sliding import Sliding
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract


def windows(items: list[Any], count: int, step: int) -> list[list[Any]]:
    """The obvious function: a list is there if it has an element that none before it has."""
    starts = [start for start in range(0, len(items), step) if not start or start - step + count < len(items)]
    return [items[start : start + count] for start in starts]


class TestSliding(StageContract):
    count, step, settle = 5, 1, "end"
    residue_differs = ""
    takes = "an element has its outcome when it is known that no more lists have it"

    def make(self) -> Sliding:
        return Sliding(self.count, self.step, settle=self.settle)  # type: ignore[arg-type]

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [windows(inputs[0], self.count, self.step)]


class TestSlidingByTwo(TestSliding):
    step = 2


class TestSlidingApart(TestSliding):
    count, step = 2, 5


class TestSlidingLikeGrouped(TestSliding):
    count, step = 4, 4


class TestSlidingSettledEarly(TestSliding):
    count, step, settle = 7, 3, "early"


def test_element_is_stored_when_all_lists_with_it_are() -> None:
    """Each list has a share in the receipts of its elements; one that fails fails its elements."""
    with StageBench(Sliding(2), keep=True) as bench:
        bench.sink.request(9)
        bench.feed([0, 1, 2, 3])
        bench.sink.expect_next([0, 1], [1, 2], [2, 3])
        lists = [chunk.take([place]) for chunk in bench.sink.held for place in range(len(chunk))]
        lists[0].settle()
        by_mark = bench.source.outcomes.by_mark
        assert [type(by_mark.get(mark)) for mark in range(3)] == [Stored, type(None), type(None)]
        lists[1].settle()
        lists[2].fail(ValueError())
        bench.source.complete()
        assert [type(by_mark.get(mark)) for mark in range(4)] == [Stored, Stored, Failed, Failed]


def test_elements_between_are_dropped_when_the_step_is_longer() -> None:
    """They are in no list."""
    with StageBench(Sliding(1, 3)) as bench:
        bench.sink.request(9)
        bench.feed(range(5))
        bench.sink.expect_next([0], [3])
        assert bench.source.outcomes.dropped("skipped") == [1, 2, 4]
        assert bench.counters["dropped_skipped"] == 3


def test_short_list_comes_when_it_says_something_new() -> None:
    """A rest that a full list has already is not emitted again; its shares are dropped, which the full list's outcome beats."""
    for n, lists in ((3, [[0, 1, 2]]), (4, [[0, 1, 2], [2, 3]]), (2, [[0, 1]]), (0, [])):
        with StageBench(Sliding(3, 2)) as bench:
            bench.sink.request(9)
            bench.feed(range(n))
            bench.source.complete()
            bench.sink.expect_next(*lists)
            bench.sink.expect_complete()
            assert bench.source.outcomes.stored() == list(range(n))


def test_nothing_is_lost_when_the_stage_stops_in_the_middle() -> None:
    """Shares of lists that are open have the outcome of the stop."""
    with StageBench(Sliding(3), keep=True) as bench:
        bench.sink.request(9)
        bench.source.send(0, 1)
        bench.sink.cancel()
        assert [type(o) for o in bench.source.outcomes.by_mark.values()] == [Dropped, Dropped]


def test_chunks_are_joined_when_nobody_waits_for_receipts() -> None:
    """Without receipts all lists of a chunk go out as one."""
    with StageBench(Sliding(100), tracked=False) as bench:
        bench.sink.request(UNBOUNDED)
        bench.feed(range(1000))
        assert len(bench.sink.received) == 901
        assert len(bench.sink.chunks) < 20


def test_what_is_held_is_a_list_when_the_planner_asks() -> None:
    """Settled early it holds nothing."""
    assert Sliding(7).holds() == Hold(7)
    assert Sliding(7, settle="early").holds() == Hold(0)
    with pytest.raises(ConfigError, match="step is 0"):
        Sliding(7, 0)

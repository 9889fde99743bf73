"""grouped_within: contract and own cases."""

from __future__ import annotations

from typing import Any

from rt_edge.streams.stage import Hold
from rt_edge.streams.stages.grouped_within import GroupedWithin
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract


class TestGroupedWithin(StageContract):
    """Groups depend on time; flattened they are the input."""

    def make(self) -> GroupedWithin:
        return GroupedWithin(7, 0.5)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return inputs

    def _compare(self, got: list[list[Any]], expected: list[list[Any]]) -> None:
        assert all(0 < len(group) <= 7 for group in got[0])
        assert [[x for group in got[0] for x in group]] == expected


def test_list_goes_out_when_it_is_full_or_old_enough() -> None:
    """The time runs from the first element of a list."""
    with StageBench(GroupedWithin(3, 1.0)) as bench:
        bench.sink.request(5)
        bench.source.send(1)
        bench.advance(0.9)
        bench.source.send(2)
        bench.sink.expect_no_signal()
        bench.advance(0.1)
        bench.sink.expect_next([1, 2])
        bench.source.send(3, 4, 5)
        bench.sink.expect_next([3, 4, 5])
        bench.advance(10)
        bench.sink.expect_no_signal()


def test_old_list_grows_when_it_is_not_wanted() -> None:
    """Without demand a list that is due waits and still takes what was asked for; it goes out with the demand."""
    with StageBench(GroupedWithin(3, 1.0)) as bench:
        bench.sink.request(1)
        bench.source.send(1, 2, 3)
        bench.sink.expect_next([1, 2, 3])
        bench.source.expect_no_request()
        bench.sink.request(1)
        bench.source.send(4)
        bench.advance(1)
        bench.sink.expect_next([4])
        assert bench.source.demand == 2
        bench.source.send(5)
        bench.advance(5)
        bench.sink.expect_no_signal()
        bench.source.send(6)
        bench.sink.request(1)
        bench.sink.expect_next([5, 6])


def test_hold_is_bounded_in_time_when_the_planner_asks() -> None:
    """The planner sees count and time."""
    assert GroupedWithin(1000, 2.0).holds() == Hold(1000, 2.0)


def test_time_starts_anew_when_a_list_has_gone_out() -> None:
    """Neither the timer of an earlier list nor its being due makes a later one go out too early."""
    with StageBench(GroupedWithin(2, 1.0)) as bench:
        bench.sink.request(1)
        bench.source.send(1)
        bench.advance(0.5)
        bench.source.send(2)
        bench.sink.expect_next([1, 2])
        bench.sink.request(1)
        bench.advance(0.4)
        bench.source.send(3)
        bench.advance(0.5)
        bench.sink.expect_no_signal()
        bench.advance(0.5)
        bench.sink.expect_next([3])


def test_next_list_is_begun_when_one_that_was_due_has_gone_out() -> None:
    """Demand for two lists takes the one that is due at once, and asks for the other."""
    with StageBench(GroupedWithin(3, 1.0)) as bench:
        bench.sink.request(1)
        bench.source.send(1)
        bench.advance(1)
        bench.sink.expect_next([1])
        bench.source.send(2)
        bench.advance(1)
        bench.sink.request(2)
        bench.sink.expect_next([2])
        bench.source.expect_request(3)
        bench.source.send(3)
        bench.sink.expect_no_signal()
        bench.advance(1)
        bench.sink.expect_next([3])

"""map_concat: contract and own cases."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.data.receipt import Failed, Stored
from rt_edge.streams.stages.map_concat import MapConcat
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.receipt_contract import take_out
from rt_edge.testkit.stage_contract import SupervisionContract, raising


class TestMapConcat(SupervisionContract):
    residue_differs = "elements that are not expanded so far are handed on raw"

    def make(self) -> MapConcat:
        return MapConcat(lambda x: iter(range(x * 7 % 150)) if x % 4 else [])

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[y for x in inputs[0] for y in (range(x * 7 % 150) if x % 4 else ())]]

    def make_failing(self, on_error: Any) -> MapConcat:
        return MapConcat(raising(lambda x: [x]), on_error=on_error)


def counting(pulled: list[int]) -> Iterator[int]:
    """Counts without end; notes what was taken."""
    for n in count():
        pulled.append(n)
        yield n


@pytest.mark.parametrize("tracked", [True, False])
def test_iterator_is_pulled_as_far_as_wanted_when_it_is_endless(tracked: bool) -> None:
    """Expansion is lazy, to the element, with receipts and without."""
    pulled: list[int] = []
    with StageBench(MapConcat(lambda _: counting(pulled)), tracked=tracked) as bench:
        bench.sink.request(3)
        bench.source.send("x")
        bench.sink.expect_next(0, 1, 2)
        assert len(pulled) == 3
        bench.sink.request(64)
        bench.sink.expect_next(*range(3, 67))
        assert len(pulled) == 67
        bench.sink.cancel()
        assert bench.source.ended


def test_marks_do_not_depend_on_demand_when_an_expansion_is_long() -> None:
    """The same element expands to the same marks under any demand, all different, so a durable end can know them again."""
    runs = []
    for demand in (1, 7, 500):
        with StageBench(MapConcat(lambda _: range(200)), keep=True) as bench:
            while bench.sink.received != list(range(200)):
                bench.sink.request(demand)
                if not bench.source.sent:
                    bench.source.send("x")
            marks = [mark for chunk in bench.sink.held for mark in chunk.marks or ()]
            runs.append(marks)
            assert len(set(marks)) == 200
    assert runs[0] == runs[1] == runs[2]


def test_element_is_settled_when_its_last_part_is() -> None:
    """The outcome of an expanded element comes with the last of its parts, and is failed if one of them failed."""
    with StageBench(MapConcat(range), keep=True) as bench:
        bench.sink.request(300)
        bench.source.send(100, 2)
        bench.source.complete()
        bench.sink.expect_next(*range(100), 0, 1)
        *chunks, last = bench.sink.held
        last.cut(1)[0].fail(ValueError())
        for chunk in [*chunks, last]:
            chunk.settle()
        assert [type(bench.source.outcomes.by_mark[mark]) for mark in (0, 1)] == [Stored, Failed] or len(chunks) == 0
        bench.sink.expect_complete()


def test_parts_before_stand_when_an_iterator_raises_on_its_way() -> None:
    """An iterator that raises fails its element; what it gave before has gone out, the next element is expanded."""

    def broken(n: int) -> Iterator[int]:
        yield from range(n)
        raise ValueError("broken off")

    with StageBench(MapConcat(lambda n: broken(n) if n > 5 else range(n), on_error="resume")) as bench:
        bench.sink.request(300)
        bench.source.send(100, 2)
        bench.sink.expect_next(*range(100), 0, 1)
        assert bench.source.outcomes.failed() == [0]


def test_stack_is_flat_when_an_expansion_is_long() -> None:
    """The element's outcome comes with the last of 100,000 parts, taken a few at a time."""
    with StageBench(MapConcat(lambda _: range(100_000)), keep=True) as bench:
        bench.sink.request(1)
        bench.source.send("x")
        while len(bench.sink.received) < 100_000:
            bench.sink.request(40)
        bench.source.complete()
        for chunk in reversed(bench.sink.held):
            assert not bench.source.outcomes.by_mark
            chunk.settle()
        bench.sink.held.clear()
        assert isinstance(bench.source.outcomes.by_mark[0], Stored)


def test_rest_is_dropped_when_downstream_cancels_in_the_middle() -> None:
    """What was stored before makes the element stored: what was not wanted is no failure."""
    with StageBench(MapConcat(lambda _: range(100)), keep=True) as bench:
        bench.sink.request(10)
        bench.source.send("x")
        bench.sink.held[0].settle()
        assert not bench.source.outcomes.by_mark
        bench.sink.cancel()
        assert isinstance(bench.source.outcomes.by_mark[0], Stored)
        assert bench.counters["dropped_cancelled"] == 1


@pytest.mark.parametrize("wanted", [1, 3, 199])
def test_rest_of_an_expansion_is_handed_on_when_the_stage_is_taken_out(wanted: int) -> None:
    """What an element makes is whole, with a live edit in the middle of it: the part that was not wanted so far is residue."""
    with StageBench(MapConcat(lambda _: range(200)), keep=True) as bench:
        bench.sink.request(wanted)
        bench.source.send("x")
        residue, slots = take_out(bench)
        assert [*bench.sink.received, *(x for chunk in [*slots, *residue] for x in chunk.items)] == list(range(200))
        assert not bench.source.outcomes.by_mark
        for chunk in [*slots, *residue]:
            chunk.settle()
        bench.sink.settle_all()
        assert isinstance(bench.source.outcomes.by_mark[0], Stored)


def test_endless_expansion_is_cut_when_the_stage_is_taken_out() -> None:
    """An edit does not wait for an iterator without end: a chunk of it is handed on, and the cut is counted."""
    with StageBench(MapConcat(lambda _: count())) as bench:
        bench.sink.request(3)
        bench.source.send("x")
        residue, _ = take_out(bench)
        assert sum(len(chunk) for chunk in residue) == CHUNK_ELEMENTS
        assert bench.counters["dropped_removed"] == 1
        for chunk in residue:
            chunk.settle()


@pytest.mark.parametrize("how", ["cancel", "fail", "stop"])
def test_generator_is_closed_when_it_is_cut_off(how: str) -> None:
    """At once, also when somebody else keeps it; and what waits behind it is settled, whatever its end does."""
    kept: list[Any] = []
    closed: list[int] = []

    def endless(n: int) -> Any:
        try:
            yield from count()
        finally:
            closed.append(n)
            raise RuntimeError("in the end of a generator")

    def function(n: int) -> Any:
        kept.append(endless(n))
        return kept[-1]

    with StageBench(MapConcat(function)) as bench:
        bench.sink.request(5)
        bench.source.send(7)
        bench.sink.expect_next(*range(5))
        if how == "cancel":
            bench.sink.cancel()
        elif how == "fail":
            bench.source.fail(ValueError("upstream"))
        else:
            bench.engine.stop()
        assert closed == [7]

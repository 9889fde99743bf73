"""iterate, single, empty, failed, never, tick: contract and own cases."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from rt_edge.streams.stages.empty import Empty
from rt_edge.streams.stages.failed import Failed
from rt_edge.streams.stages.iterate import Iterate
from rt_edge.streams.stages.never import Never
from rt_edge.streams.stages.single import Single
from rt_edge.streams.stages.tick import Tick
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.source_contract import FedSourceContract, SourceContract
from rt_edge.testkit.source_contract_feed import Feed
from rt_edge.testkit.stage_contract import Broken


class TestIterate(FedSourceContract):
    lazy = False  # the iterator is made with the run, and advanced when asked
    early_end = False  # an iterator does not say that it is at its end before it is asked once more

    def make(self, feed: Feed) -> Iterate:
        return Iterate(feed)


class TestIterateInSmallChunks(TestIterate):
    def make(self, feed: Feed) -> Iterate:
        return Iterate(feed, chunk=3)


class TestIterateOverAList(SourceContract):
    def make(self, feed: Feed) -> Iterate:
        return Iterate(feed.items)


class TestSingle(SourceContract):
    def make(self, feed: Feed) -> Single:
        return Single("x")

    def expected(self, items: list[Any]) -> list[Any]:
        return ["x"]


class TestEmpty(SourceContract):
    def make(self, feed: Feed) -> Empty:
        return Empty()

    def expected(self, items: list[Any]) -> list[Any]:
        return []


class TestFailed(SourceContract):
    error = Broken

    def make(self, feed: Feed) -> Failed:
        return Failed(Broken("from the start"))

    def expected(self, items: list[Any]) -> list[Any]:
        return []


class TestNever(SourceContract):
    ends = False

    def make(self, feed: Feed) -> Never:
        return Never()

    def expected(self, items: list[Any]) -> list[Any]:
        return []


class TestTick(SourceContract):
    ends = False
    period = 1.0  # one element in this time, however many are wanted

    def make(self, feed: Feed) -> Tick:
        return Tick(1.0, "t")

    def expected(self, items: list[Any]) -> list[Any]:
        return ["t"] * len(items)


@pytest.mark.parametrize("items", [list(range(10)), range(10), iter(range(10)), (x for x in range(10))])
def test_elements_come_on_demand_when_an_iterable_is_the_source(items: Any) -> None:
    """Chunks are cut to the demand, and the end follows the last element."""
    with StageBench(Iterate(items)) as bench:
        bench.sink.request(4)
        bench.sink.expect_next(0, 1, 2, 3)
        bench.sink.expect_no_signal()
        bench.sink.request(7)
        bench.sink.expect_next(4, 5, 6, 7, 8, 9)
        bench.sink.expect_complete()
        assert len(bench.sink.chunks) == 2


def test_completion_follows_the_last_element_when_the_length_is_known() -> None:
    """No further demand is needed to hear the end of a list."""
    with StageBench(Iterate([1, 2])) as bench:
        bench.sink.request(2)
        bench.sink.expect_next(1, 2)
        bench.sink.expect_complete()
    with StageBench(Iterate([])) as bench:
        bench.sink.expect_complete()


def test_iterator_is_not_advanced_when_nothing_is_wanted() -> None:
    """An endless iterator is pulled as far as the demand goes."""
    pulled: list[int] = []

    def numbers() -> Iterator[int]:
        for n in count():
            pulled.append(n)
            yield n

    with StageBench(Iterate(numbers(), chunk=10)) as bench:
        bench.sink.request(25)
        assert len(pulled) == 25
        assert [len(chunk) for chunk in bench.sink.chunks] == [10, 10, 5]


@pytest.mark.parametrize("items", [[1, None], (1 // x for x in [1, 0])])
def test_stage_fails_when_the_iterator_raises_or_gives_none(items: Any) -> None:
    """The error goes downstream, behind what came before."""
    with StageBench(Iterate(items)) as bench:
        bench.sink.request(5)
        bench.sink.expect_next(1)
        bench.sink.expect_error()


def test_simple_sources_say_their_one_thing_when_run() -> None:
    """single, empty, failed and never."""
    with StageBench(Single("x")) as bench:
        bench.sink.expect_no_signal()
        bench.sink.request(3)
        bench.sink.expect_next("x")
        bench.sink.expect_complete()
    with StageBench(Empty()) as bench:
        bench.sink.expect_complete()
    with StageBench(Failed(KeyError("k"))) as bench:
        bench.sink.expect_error(KeyError)
    with StageBench(Never()) as bench:
        bench.sink.request(3)
        bench.advance(1e6)
        bench.sink.expect_no_signal()
    with StageBench(Single(None)) as bench:
        bench.sink.expect_error(TypeError)


def test_tick_is_left_out_when_nobody_asks() -> None:
    """A tick comes at its period if it is wanted, else it is counted."""
    with StageBench(Tick(1.0, "t")) as bench:
        bench.advance(2.5)
        bench.sink.expect_no_signal()
        assert bench.counters["dropped_tick"] == 2
        bench.sink.request(2)
        bench.advance(0.5)
        bench.sink.expect_next("t")
        bench.advance(5)
        bench.sink.expect_next("t")
        assert bench.counters["dropped_tick"] == 6

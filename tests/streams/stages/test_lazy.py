"""lazy_source, lazy_flow, lazy_sink, flat_map_prefix: contract and own cases."""

from __future__ import annotations

from typing import Any

from rt_edge.data.errors import StreamError
from rt_edge.streams.dsl import Flow, Sink, Source
from rt_edge.streams.stages.flat_map_prefix import FlatMapPrefix
from rt_edge.streams.stages.lazy_flow import LazyFlow
from rt_edge.streams.stages.lazy_sink import LazySink
from rt_edge.streams.stages.lazy_source import LazySource
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.sink_contract import SinkContract
from rt_edge.testkit.sink_contract_run import Came
from rt_edge.testkit.source_contract import FedSourceContract
from rt_edge.testkit.source_contract_feed import Feed
from rt_edge.testkit.stage_contract import Broken, StageContract


class TestLazyFlow(StageContract):
    def make(self) -> LazyFlow:
        return LazyFlow(lambda: Flow().map(lambda x: x + 1).grouped(3))

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        items = [x + 1 for x in inputs[0]]
        return [[items[i : i + 3] for i in range(0, len(items), 3)]]


class TestLazySource(FedSourceContract):
    early_end = False  # what is in it is an iterator

    def make(self, feed: Feed) -> LazySource:
        return LazySource(lambda: feed)


class TestLazySourceWithReceipts(FedSourceContract):
    early_end = False
    counts_errors = False  # they are those of the source in it
    none = "the stage in it is the test's"

    def make(self, feed: Feed) -> LazySource:
        return LazySource(feed.part)


class TestLazySink(SinkContract):
    keeps_demand = False  # it says what is asked for before there is a sink

    def make(self, done: Came) -> LazySink:
        return LazySink(function=lambda: Sink.fold(0, lambda a, b: a + b), done=done)

    def expected(self, items: list[Any]) -> Any:
        return sum(items) if items else None


class TestLazySinkThatCancels(SinkContract):
    keeps_demand = False

    def make(self, done: Came) -> LazySink:
        return LazySink(function=Sink.head, done=done)

    def expected(self, items: list[Any]) -> Any:
        return items[0] if items else None

    def taken(self, items: list[Any]) -> int:
        return 1


class TestFlatMapPrefix(StageContract):
    lossless = False  # the prefix is not emitted, so the residue is not the input's image

    def make(self) -> FlatMapPrefix:
        return FlatMapPrefix(2, lambda prefix: Flow().map(lambda x: (*prefix, x)))


class TestFlatMapPrefixOfNothing(StageContract):
    def make(self) -> FlatMapPrefix:
        return FlatMapPrefix(0, lambda prefix: Flow())


def broken(*_: Any) -> Any:
    raise Broken("made wrong")


def test_rest_goes_through_the_flow_made_of_the_prefix() -> None:
    """The prefix is settled as dropped when the flow is there, the rest by what becomes of it."""
    with StageBench(FlatMapPrefix(2, lambda prefix: Flow().map(lambda x: x * sum(prefix)))) as bench:
        bench.sink.request(2)
        bench.source.send(2)
        assert not bench.source.outcomes.by_mark
        bench.source.send(3)
        assert bench.source.outcomes.dropped("prefix") == [0, 1]
        bench.source.send(10, 20)
        bench.sink.expect_next(50, 100)


def test_flow_is_made_of_what_came_when_upstream_completes_before() -> None:
    """The prefix may be shorter, and the flow still ends as it likes."""
    with StageBench(FlatMapPrefix(5, lambda prefix: Flow().fold(len(prefix), lambda n, _: n))) as bench:
        bench.sink.request(2)
        bench.source.send(2, 3)
        bench.source.complete()
        bench.sink.expect_next(2)
        bench.sink.expect_complete()


def test_stage_fails_when_the_flow_cannot_be_made() -> None:
    """What the function raises is the failure of the elements that it was made of."""
    for stage in (FlatMapPrefix(1, broken), LazyFlow(broken), FlatMapPrefix(1, lambda _: 7)):
        with StageBench(stage) as bench:
            bench.sink.request(2)
            bench.source.send(2)
            assert isinstance(bench.sink.expect_error(), Broken | TypeError)
            assert bench.source.outcomes.failed() == [0]


def test_source_is_made_when_the_first_element_is_wanted() -> None:
    """Not before; once."""
    made: list[int] = []

    def make() -> Source[int]:
        made.append(1)
        return Source.from_iterable([1, 2, 3])

    with StageBench(LazySource(make)) as bench:
        assert not made
        bench.sink.request(2)
        bench.sink.expect_next(1, 2)
        bench.sink.request(2)
        bench.sink.expect_next(3)
        bench.sink.expect_complete()
        assert made == [1]


def test_source_fails_when_it_cannot_be_made_or_fails() -> None:
    """With the function's error, or the source's, behind what it gave."""
    with StageBench(LazySource(broken)) as bench:
        bench.sink.request(1)
        bench.sink.expect_error(Broken)
    with StageBench(LazySource(lambda: Source.from_iterable([1, 0]).map(lambda x: 1 // x))) as bench:
        bench.sink.request(5)
        bench.sink.expect_next(1)
        bench.sink.expect_error(ZeroDivisionError)


def test_source_is_never_made_when_nobody_asks() -> None:
    """A cancel before the first demand makes nothing."""
    with StageBench(LazySource(broken)) as bench:
        bench.sink.cancel()


def test_sink_is_made_when_the_first_element_comes() -> None:
    """It gets that element, and its result is the lazy one's."""
    made: list[int] = []
    came = Came()

    def make() -> Sink[int]:
        made.append(1)
        return Sink.fold(0, lambda a, b: a + b)

    with StageBench(LazySink(function=make, done=came)) as bench:
        bench.source.expect_request(1)
        assert not made
        bench.source.send(5)
        assert made == [1]
        bench.source.send(6, 7)
        assert bench.source.outcomes.stored() == [0, 1, 2]
        bench.source.complete()
        assert came.to == [(18, None)]


def test_sink_comes_to_none_when_no_element_came() -> None:
    """And is not made; a failure before is the result's."""
    came = Came()
    with StageBench(LazySink(function=broken, done=came)) as bench:
        bench.source.complete()
    error = StreamError("before")
    with StageBench(LazySink(function=broken, done=came)) as bench:
        bench.source.fail(error)
    assert came.to == [(None, None), (None, error)]


def test_upstream_is_cancelled_when_the_lazy_sink_cancels_or_cannot_be_made() -> None:
    """The elements fail in the second case."""
    with StageBench(LazySink(function=lambda: Flow().take(1).to(Sink.settling()))) as bench:
        bench.source.send(1)
        assert bench.source.expect_cancellation() is None
    with StageBench(LazySink(function=broken)) as bench:
        bench.source.send(1)
        assert isinstance(bench.source.expect_cancellation(), Broken)
        assert bench.source.outcomes.failed() == [0]

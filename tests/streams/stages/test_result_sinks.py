"""Sinks that come to one value: head, last, take_last, count, reduce, fold_while and what is made of it, cancelled, never."""

from __future__ import annotations

import operator
from typing import Any

import pytest

from rt_edge.data.errors import ConfigError, StreamError
from rt_edge.streams.dsl import Sink, Source
from rt_edge.streams.stage import Stage
from rt_edge.streams.stages._sink import SinkStage
from rt_edge.streams.stages.cancelled import Cancelled
from rt_edge.streams.stages.count import Count
from rt_edge.streams.stages.fold_while_into import FoldWhileInto
from rt_edge.streams.stages.head import Head
from rt_edge.streams.stages.head_option import HeadOption
from rt_edge.streams.stages.last import Last
from rt_edge.streams.stages.last_into import LastInto
from rt_edge.streams.stages.last_option import LastOption
from rt_edge.streams.stages.reduce_into import ReduceInto
from rt_edge.streams.stages.unwilling import Unwilling
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.sink_contract import SinkContract, SinkSupervisionContract
from rt_edge.testkit.sink_contract_run import Came
from rt_edge.testkit.stage_contract import BAD, Broken, OnError, raising
from rt_edge.testkit.virtual_clock import VirtualHost


class TestHead(SinkContract):
    ahead = 1

    def make(self, done: Came) -> SinkStage:
        return Head(done=done)

    def expected(self, items: list[Any]) -> Any:
        return items[0] if items else StreamError

    def taken(self, items: list[Any]) -> int:
        return 1


class TestHeadOption(TestHead):
    def make(self, done: Came) -> SinkStage:
        return HeadOption(done=done)

    def expected(self, items: list[Any]) -> Any:
        return items[0] if items else None


class TestLast(SinkContract):
    def make(self, done: Came) -> SinkStage:
        return Last(done=done)

    def expected(self, items: list[Any]) -> Any:
        return items[-1] if items else StreamError


class TestLastOption(SinkContract):
    def make(self, done: Came) -> SinkStage:
        return LastOption(done=done)

    def expected(self, items: list[Any]) -> Any:
        return items[-1] if items else None


class TestLastInto(SinkContract):
    def make(self, done: Came) -> SinkStage:
        return LastInto(count=5, done=done)

    def expected(self, items: list[Any]) -> Any:
        return items[-5:]


class TestCount(SinkContract):
    def make(self, done: Came) -> SinkStage:
        return Count(done=done)

    def expected(self, items: list[Any]) -> Any:
        return len(items)


class TestReduceInto(SinkSupervisionContract):
    def make(self, done: Came) -> SinkStage:
        return ReduceInto(function=operator.add, done=done)

    def make_failing(self, on_error: OnError, done: Came) -> SinkStage:
        return ReduceInto(function=raising(operator.add), on_error=on_error, done=done)

    def expected(self, items: list[Any]) -> Any:
        return sum(items) if items else StreamError

    def after_failure(self, items: list[Any], on_error: OnError) -> Any:
        return self.expected(items[items.index(BAD) + 1 :] if on_error == "restart" else [x for x in items if x != BAD])


class TestFoldWhileInto(SinkSupervisionContract):
    """Up to the eleventh element: the sum is 55 then."""

    def make(self, done: Came) -> SinkStage:
        return FoldWhileInto(zero=0, predicate=lambda state: state < 50, function=operator.add, done=done)

    def make_failing(self, on_error: OnError, done: Came) -> SinkStage:
        function = raising(operator.add)
        return FoldWhileInto(zero=0, predicate=lambda state: True, function=function, on_error=on_error, done=done)

    def expected(self, items: list[Any]) -> Any:
        return sum(items[:11])

    def taken(self, items: list[Any]) -> int:
        return min(11, len(items))

    def after_failure(self, items: list[Any], on_error: OnError) -> Any:
        return sum(items[items.index(BAD) + 1 :] if on_error == "restart" else [x for x in items if x != BAD])


class TestCancelled(SinkContract):
    asks = False

    def make(self, done: Came) -> SinkStage:
        return Cancelled(done=done)

    def taken(self, items: list[Any]) -> int:
        return 0


class TestUnwilling(SinkContract):
    asks = False
    backpressures = True
    ahead = 0

    def make(self, done: Came) -> SinkStage:
        return Unwilling(done=done)


class Done(list[Any]):
    """What a sink said."""

    def __call__(self, result: Any, error: BaseException | None) -> None:
        self.append((result, error))


ALL = [
    (Head, 1, None),
    (HeadOption, 1, None),
    (Last, 5, 1024),
    (LastOption, 5, 1024),
    (lambda done: LastInto(count=2, done=done), [4, 5], 1024),
    (Count, 5, 1024),
    (lambda done: ReduceInto(function=operator.mul, done=done), 120, 1024),
    (lambda done: FoldWhileInto(zero=0, predicate=lambda s: s < 100, function=operator.add, done=done), 15, 1024),
]


@pytest.mark.parametrize(("make", "result", "demand"), ALL)
def test_result_is_told_when_the_stream_ends(make: Any, result: Any, demand: int | None) -> None:
    """What was taken is settled as stored, and the result is told once."""
    done = Done()
    with StageBench(make(done=done)) as bench:
        if demand is None:
            bench.source.expect_request(1)
            bench.source.send(1)
            assert bench.source.expect_cancellation() is None
        else:
            bench.source.expect_request(demand)
            bench.source.send(1, 2)
            bench.source.send(3, 4, 5)
            bench.source.expect_request(demand)
            bench.source.complete()
        assert bench.source.outcomes.stored() == list(range(len(bench.source.sent)))
        assert bench.ended == [None]
    assert done == [(result, None)]


@pytest.mark.parametrize(
    ("make", "result"),
    [
        (Head, StreamError),
        (HeadOption, None),
        (Last, StreamError),
        (LastOption, None),
        (lambda done: LastInto(count=2, done=done), []),
        (Count, 0),
        (lambda done: ReduceInto(function=operator.mul, done=done), StreamError),
    ],
)
def test_result_is_none_or_an_error_when_no_element_comes(make: Any, result: Any) -> None:
    """A sink that needs an element fails without one, and says so."""
    done = Done()
    with StageBench(make(done=done)) as bench:
        bench.source.complete()
    ((value, error),) = done
    if result is StreamError:
        assert "without an element" in str(error)
        assert value is None
    else:
        assert (value, error) == (result, None)


@pytest.mark.parametrize(("make", "result", "demand"), ALL)
def test_error_is_told_when_upstream_fails(make: Any, result: Any, demand: Any) -> None:
    """The failure of a stream is what its sink came to."""
    done = Done()
    with StageBench(make(done=done)) as bench:
        bench.source.fail(Broken())
    assert isinstance(done[0][1], Broken)
    assert len(done) == 1


@pytest.mark.parametrize(
    ("sink", "items", "result", "stored", "dropped"),
    [
        (lambda: Sink.exists(lambda x: x == 2), [1, 2, 3, 4], True, [0, 1], [2, 3]),
        (lambda: Sink.exists(lambda x: x == 9), [1, 2], False, [0, 1], []),
        (lambda: Sink.forall(lambda x: x < 2), [1, 2, 3], False, [0, 1], [2]),
        (lambda: Sink.forall(lambda x: x < 9), [1, 2], True, [0, 1], []),
        (lambda: Sink.none(lambda x: x == 2), [1, 2, 3], False, [0, 1], [2]),
        (lambda: Sink.none(lambda x: x == 9), [1, 2], True, [0, 1], []),
        (lambda: Sink.fold_while(0, lambda s: s < 3, operator.add), [1, 2, 3], 3, [0, 1], [2]),
    ],
)
def test_search_ends_when_it_is_decided(sink: Any, items: Any, result: Any, stored: Any, dropped: Any) -> None:
    """Upstream is cancelled by the element that decides; what came behind it is settled as dropped."""
    done = Done()
    (stage,) = sink().blueprint.nodes.values()
    stage = FoldWhileInto(zero=stage.zero, predicate=stage.predicate, function=stage.function, done=done)
    with StageBench(stage) as bench:
        bench.source.send(*items)
        assert bench.source.ended == bool(dropped)
        if not bench.source.ended:
            bench.source.complete()
        assert bench.source.outcomes.stored() == stored
        assert bench.source.outcomes.dropped("cancelled") == dropped
    assert done == [(result, None)]


def test_nothing_is_asked_for_when_the_first_state_decides() -> None:
    """The predicate is asked about `zero` too."""
    done = Done()
    with StageBench(FoldWhileInto(zero=5, predicate=lambda s: s < 3, function=operator.add, done=done)) as bench:
        bench.source.expect_cancellation()
    assert done == [(5, None)]


@pytest.mark.parametrize(
    "make",
    [
        lambda **k: ReduceInto(function=raising(operator.add), **k),
        lambda **k: FoldWhileInto(zero=0, predicate=lambda s: True, function=raising(operator.add), **k),
    ],
)
@pytest.mark.parametrize(("on_error", "failed", "result"), [("stop", [1, 2], None), ("resume", [1], 4), ("restart", [1], 3)])
def test_only_the_guilty_element_fails_when_user_code_raises(make: Any, on_error: str, failed: list[int], result: Any) -> None:
    """Supervision of sinks: the others are settled, under stop those behind fail too and the error is told."""
    done = Done()
    with StageBench(make(on_error=on_error, done=done)) as bench:
        bench.source.send(1, BAD, 3)
        assert bench.source.outcomes.failed() == failed
        assert bench.source.ended == (on_error == "stop")
        if on_error != "stop":
            bench.source.complete()
            assert done == [(result, None)]
        else:
            assert isinstance(done[0][1], Broken)


def test_nothing_is_taken_when_a_sink_does_not_want_to() -> None:
    """cancelled cancels at once; never asks for nothing and ends with upstream."""
    done = Done()
    with StageBench(Cancelled(done=done)) as bench:
        assert bench.source.expect_cancellation() is None
    assert done == [(None, None)]
    stage: Stage = Unwilling(done=done)
    with StageBench(stage) as bench:
        bench.advance(1e6)
        bench.source.expect_no_request()
        assert not bench.source.ended
        bench.source.complete()
    assert done == [(None, None)] * 2


@pytest.mark.parametrize("error", [None, Broken("x")])
def test_callback_hears_the_end_when_all_is_thrown_away(error: BaseException | None) -> None:
    """on_complete is told the error, or None."""
    heard: list[Any] = []
    source = Source.from_iterable(range(3)) if error is None else Source.failed(error)
    host = VirtualHost()
    source.to(Sink.on_complete(heard.append)).run(host)
    host.settle()
    assert heard == [error]


def test_settings_are_refused_when_nothing_is_kept() -> None:
    """At least one element."""
    with pytest.raises(ConfigError, match="count is 0"):
        LastInto(count=0)

"""foreach, collect, fold, ignore and settling sinks: contract and own cases."""

from __future__ import annotations

import operator
from typing import Any

import pytest

from rt_edge.data.errors import StreamError
from rt_edge.streams.stage import Stage
from rt_edge.streams.stages.collect import Collect
from rt_edge.streams.stages.fold_into import FoldInto
from rt_edge.streams.stages.for_each import ForEach
from rt_edge.streams.stages.ignore import Ignore
from rt_edge.streams.stages.settling import Settling
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.sink_contract import SinkContract, SinkSupervisionContract
from rt_edge.testkit.sink_contract_run import Came
from rt_edge.testkit.stage_contract import BAD, Broken, OnError, raising


class TestForEach(SinkSupervisionContract):
    got: list[Any]

    def make(self, done: Came) -> ForEach:
        self.got = []
        return ForEach(function=self.got.append, done=done)

    def make_failing(self, on_error: OnError, done: Came) -> ForEach:
        return ForEach(function=raising(int), on_error=on_error, done=done)

    def arrived(self) -> list[Any]:
        return self.got


class TestCollect(SinkContract):
    def make(self, done: Came) -> Collect:
        return Collect(done=done)

    def expected(self, items: list[Any]) -> Any:
        return items


class TestFoldInto(SinkSupervisionContract):
    def make(self, done: Came) -> FoldInto:
        return FoldInto(zero=10, function=operator.add, done=done)

    def make_failing(self, on_error: OnError, done: Came) -> FoldInto:
        return FoldInto(zero=10, function=raising(operator.add), on_error=on_error, done=done)

    def expected(self, items: list[Any]) -> Any:
        return 10 + sum(items)

    def after_failure(self, items: list[Any], on_error: OnError) -> Any:
        return self.expected(items[items.index(BAD) + 1 :] if on_error == "restart" else [x for x in items if x != BAD])


class TestIgnore(SinkContract):
    outcome = "ignored"

    def make(self, done: Came) -> Ignore:
        return Ignore(done=done)


class TestSettling(SinkContract):
    def make(self, done: Came) -> Settling:
        return Settling(done=done)

    def expected(self, items: list[Any]) -> Any:
        return len(items)


class Done(list[Any]):
    """What a sink said."""

    def __call__(self, result: Any, error: BaseException | None) -> None:
        self.append((result, error))


@pytest.mark.parametrize(
    ("make", "result"),
    [
        (lambda done: ForEach(function=print, done=done), None),
        (lambda done: Collect(done=done), [1, 2, 3]),
        (lambda done: FoldInto(zero=10, function=operator.add, done=done), 16),
        (lambda done: Settling(done=done), 3),
    ],
)
def test_elements_are_settled_and_the_result_is_told_when_upstream_completes(make: Any, result: Any) -> None:
    """A sink settles what it consumed, keeps asking, and says once what it came to."""
    done = Done()
    with StageBench(make(done)) as bench:
        bench.source.expect_request(1024)
        bench.source.send(1, 2)
        bench.source.expect_request(1024)
        bench.source.send(3)
        assert bench.source.outcomes.stored() == [0, 1, 2]
        bench.source.complete()
        assert bench.ended == [None]
    assert done == [(result, None)]


def test_elements_are_dropped_when_they_are_ignored() -> None:
    """What is thrown away is settled as dropped and counted."""
    with StageBench(Ignore()) as bench:
        bench.source.send(1, 2)
        assert bench.source.outcomes.dropped("ignored") == [0, 1]
        assert bench.counters["dropped_ignored"] == 2


@pytest.mark.parametrize(
    "make", [lambda **k: ForEach(function=raising(int), **k), lambda **k: FoldInto(zero=0, function=raising(operator.add), **k)]
)
@pytest.mark.parametrize(("on_error", "failed"), [("stop", [1, 2]), ("resume", [1]), ("restart", [1])])
def test_only_the_guilty_element_fails_when_user_code_raises(make: Any, on_error: str, failed: list[int]) -> None:
    """Supervision of sinks: the others are settled, under stop those behind fail too and the error is told."""
    done = Done()
    with StageBench(make(on_error=on_error, done=done)) as bench:
        bench.source.send(1, BAD, 3)
        assert bench.source.outcomes.failed() == failed
        assert bench.source.ended == (on_error == "stop")
        assert bench.counters["errors"] == 1
        assert bench.counters.get("restarts", 0) == (on_error == "restart")
        if on_error == "stop":
            assert isinstance(done[0][1], Broken)
        else:
            bench.source.complete()
            assert done[0][1] is None
            if isinstance(bench.engine.seats["tested"].stage, FoldInto):
                assert done[0][0] == (4 if on_error == "resume" else 3)


def test_collection_is_bounded_when_too_many_elements_come() -> None:
    """One element too many fails the sink; what it had collected is told."""
    done = Done()
    with StageBench(Collect(most=2, done=done)) as bench:
        bench.source.send(1, 2)
        bench.source.send(3)
        assert isinstance(bench.source.expect_cancellation(), StreamError)
        assert bench.source.outcomes.failed() == [2]
    assert done[0][0] == [1, 2]


def test_error_is_told_when_upstream_fails() -> None:
    """The failure of a stream is what its sink came to."""
    done = Done()
    stage: Stage = Collect(done=done)
    with StageBench(stage) as bench:
        bench.source.send(1)
        bench.source.fail(KeyError("k"))
    assert done[0][0] == [1]
    assert isinstance(done[0][1], KeyError)

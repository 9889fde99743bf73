"""take_while, take_until, take_last, drop_while, drop_last, map_while: contracts and own cases."""

from __future__ import annotations

from itertools import dropwhile, takewhile
from typing import Any

import pytest

from rt_edge.data.errors import ConfigError, StreamError
from rt_edge.data.reading import Reading, gap_reading
from rt_edge.streams.expression import ExpressionError
from rt_edge.streams.stages.drop_last import DropLast
from rt_edge.streams.stages.drop_while import DropWhile
from rt_edge.streams.stages.map_while import MapWhile
from rt_edge.streams.stages.take_last import TakeLast
from rt_edge.streams.stages.take_until import TakeUntil
from rt_edge.streams.stages.take_while import TakeWhile
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import BAD, StageContract, SupervisionContract, raising


class TestTakeWhile(SupervisionContract):
    def make(self) -> TakeWhile:
        return TakeWhile(lambda x: x < 17)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [list(takewhile(lambda x: x < 17, inputs[0]))]

    def make_failing(self, on_error: Any) -> TakeWhile:
        return TakeWhile(raising(lambda x: True), on_error=on_error)


class TestTakeWhileInclusive(StageContract):
    def make(self) -> TakeWhile:
        return TakeWhile(lambda x: x < 17, inclusive=True)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [inputs[0][:18]]


class TestTakeWhileByExpression(StageContract):
    def make(self) -> TakeWhile:
        return TakeWhile("n < 17")

    def item(self, n: int) -> Reading:
        return Reading("plc/a", n, {"n": n})

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [inputs[0][:17]]


class TestTakeUntil(SupervisionContract):
    def make(self) -> TakeUntil:
        return TakeUntil(lambda x: x == 17)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [inputs[0][:18]]

    def make_failing(self, on_error: Any) -> TakeUntil:
        return TakeUntil(raising(lambda x: False), on_error=on_error)


class TestMapWhile(SupervisionContract):
    def make(self) -> MapWhile:
        return MapWhile(lambda x: -x if x < 17 else None)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[-x for x in inputs[0][:17]]]

    def make_failing(self, on_error: Any) -> MapWhile:
        return MapWhile(raising(lambda x: x), on_error=on_error)


class TestDropWhile(SupervisionContract):
    def make(self) -> DropWhile:
        return DropWhile(lambda x: x < 17)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [list(dropwhile(lambda x: x < 17, inputs[0]))]

    def make_failing(self, on_error: Any) -> DropWhile:
        return DropWhile(raising(lambda x: x != 20), on_error=on_error)

    def after_failure(self, inputs: list[Any], on_error: Any) -> list[Any]:
        return [x for x in inputs if x >= 20]


class TestTakeLast(StageContract):
    def make(self) -> TakeLast:
        return TakeLast(17)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [inputs[0][-17:]]


class TestDropLast(StageContract):
    residue_differs = "what is held are not the last elements when only the stage ends"

    def make(self) -> DropLast:
        return DropLast(17)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [inputs[0][:-17]]


class TestDropLastNone(StageContract):
    def make(self) -> DropLast:
        return DropLast(0)


@pytest.mark.parametrize(
    ("stage", "passed", "dropped"),
    [
        (TakeWhile(lambda x: x < 2), [0, 1], [2, 3]),
        (TakeWhile(lambda x: x < 2, inclusive=True), [0, 1, 2], [3]),
        (TakeWhile(lambda x: x < 0), [], [0, 1, 2, 3]),
        (TakeWhile(lambda x: x < 0, inclusive=True), [0], [1, 2, 3]),
        (TakeUntil(lambda x: x == 1), [0, 1], [2, 3]),
        (MapWhile(lambda x: x if x < 2 else None), [0, 1], [2, 3]),
        (MapWhile(lambda x: None), [], [0, 1, 2, 3]),
    ],
)
def test_rest_of_the_chunk_is_dropped_when_the_end_is_in_the_middle(stage: Any, passed: list[int], dropped: list[int]) -> None:
    """What had been asked for behind the last element has an outcome, and upstream is cancelled."""
    with StageBench(stage) as bench:
        bench.sink.request(100)
        bench.source.send(0, 1, 2, 3)
        bench.sink.expect_next(*passed)
        bench.sink.expect_complete()
        assert bench.source.outcomes.dropped("cancelled") == dropped
        assert bench.counters["dropped_cancelled"] == len(dropped)
        assert bench.source.expect_cancellation() is None


def test_predicate_is_not_called_when_all_is_decided() -> None:
    """User code sees no element behind the one that decides."""
    for make in (TakeWhile, DropWhile, lambda p: TakeUntil(lambda x: not p(x))):
        seen: list[int] = []

        def below(x: int, seen: list[int] = seen) -> bool:
            seen.append(x)
            return x < 1

        with StageBench(make(below)) as bench:
            bench.sink.request(100)
            bench.source.send(0, 1, 2, 3)
        assert seen == [0, 1]


def test_missing_field_is_counted_when_the_predicate_is_an_expression() -> None:
    """It counts as false, which ends take_while and drop_while and not take_until; gap records decide nothing."""
    gap = gap_reading("plc/a", 1, 2, "offline")
    other = Reading("plc/a", 3, {"x": 1})
    for stage, passed in ((TakeWhile("n > 0"), 1), (TakeUntil("n > 0"), 2), (DropWhile("n > 0"), 1)):
        with StageBench(stage) as bench:
            bench.sink.request(9)
            bench.source.send(gap, other)
            assert len(bench.sink.received) == passed
            assert bench.counters["missing_field"] == 1
            assert bench.sink.completed == isinstance(stage, TakeWhile)


def test_elements_in_front_are_kept_when_the_stage_fails() -> None:
    """Under stop, nothing behind the failure is judged: the elements in front of it pass."""
    with StageBench(TakeWhile(raising(lambda x: x < 5), on_error="stop")) as bench:
        bench.sink.request(100)
        bench.source.send(1, BAD, 9)
        bench.sink.expect_next(1)
        bench.sink.expect_error()
        assert bench.source.outcomes.failed() == [1, 2]


def test_only_the_last_are_held_when_many_come() -> None:
    """What is replaced is settled at once as dropped, so a long stream holds up no source."""
    with StageBench(TakeLast(2), keep=True) as bench:
        bench.sink.request(1)
        bench.source.send(0, 1, 2)
        bench.source.send(3)
        assert bench.source.outcomes.dropped("replaced") == [0, 1]
        bench.sink.expect_no_next()
        bench.source.complete()
        bench.sink.request(1)
        bench.sink.expect_next(2, 3)
        bench.sink.expect_complete()


def test_last_elements_are_dropped_when_the_stream_ends() -> None:
    """An element goes out when `count` are behind it; the last ones are settled as dropped."""
    with StageBench(DropLast(2)) as bench:
        bench.sink.request(1)
        bench.source.expect_request(3)
        bench.source.send(0, 1, 2)
        bench.sink.expect_next(0)
        bench.source.complete()
        bench.sink.expect_complete()
        assert bench.source.outcomes.dropped("skipped") == [1, 2]


def test_others_are_asked_for_when_elements_were_skipped() -> None:
    """What is dropped satisfies nobody: as many are asked for again in the same turn."""
    with StageBench(DropWhile(lambda x: x < 9)) as bench:
        bench.sink.request(3)
        bench.source.send(1, 2)
        bench.source.expect_request(3)
        bench.source.send(3, 9, 1)
        bench.source.expect_request(1)
        bench.sink.expect_next(9, 1)


def test_held_elements_fail_when_upstream_fails() -> None:
    """They were not going to be dropped for another reason."""
    with StageBench(TakeLast(2)) as bench:
        bench.sink.request(1)
        bench.source.send(0)
        bench.source.fail(StreamError("x"))
        assert bench.source.outcomes.failed() == [0]


@pytest.mark.parametrize("make", [TakeWhile, TakeUntil, DropWhile])
def test_settings_are_refused_when_the_predicate_is_nonsense(make: Any) -> None:
    """An expression has to compile, another value is none."""
    with pytest.raises(ExpressionError):
        make("a.b")
    with pytest.raises(ConfigError, match="has to be an expression"):
        make(3)


@pytest.mark.parametrize(("make", "least"), [(TakeLast, 1), (DropLast, 0)])
def test_settings_are_refused_when_the_count_is_too_small(make: Any, least: int) -> None:
    """A count below the least is a settings error."""
    with pytest.raises(ConfigError, match=f"at least {least}"):
        make(least - 1)

"""stateful_map, stateful_map_concat, intersperse, zip_with_index, do_on_first, do_on_cancel: contracts and own cases."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from rt_edge.data.receipt import Stored
from rt_edge.streams.stages.do_on_cancel import DoOnCancel
from rt_edge.streams.stages.do_on_first import DoOnFirst
from rt_edge.streams.stages.intersperse import Intersperse
from rt_edge.streams.stages.stateful_map import StatefulMap
from rt_edge.streams.stages.stateful_map_concat import StatefulMapConcat
from rt_edge.streams.stages.zip_with_index import ZipWithIndex
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import BAD, Broken, StageContract, SupervisionContract, raising


class TestStatefulMap(SupervisionContract):
    def make(self) -> StatefulMap:
        return StatefulMap(lambda: 0, lambda total, x: (total + x, total + x), lambda total: -total - 1)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        sums = [sum(inputs[0][: i + 1]) for i in range(len(inputs[0]))]
        return [[*sums, -sum(inputs[0]) - 1]]

    def make_failing(self, on_error: Any) -> StatefulMap:
        return StatefulMap(lambda: 0, raising(lambda state, x: (state, x)), on_error=on_error)


class TestStatefulMapConcat(SupervisionContract):
    drops_again = "the function says what becomes of an element, and counts it again"
    residue_differs = "elements that are not expanded so far are handed on raw"

    def make(self) -> StatefulMapConcat:
        return StatefulMapConcat(counted)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[(x, n) for n, x in enumerate(inputs[0]) for _ in range(n % 3)]]

    def make_failing(self, on_error: Any) -> StatefulMapConcat:
        return StatefulMapConcat(lambda: raising(lambda x: [x]), on_error=on_error)


def counted() -> Callable[[Any], Iterable[Any]]:
    """Makes a function that knows how often it was called."""
    calls = iter(range(10_000_000))

    def expand(x: Any) -> Iterable[Any]:
        n = next(calls)
        return [(x, n)] * (n % 3)

    return expand


class TestIntersperse(StageContract):
    def make(self) -> Intersperse:
        return Intersperse(-1)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[y for x in inputs[0] for y in (-1, x)][1:]]


class TestIntersperseWithEnds(StageContract):
    def make(self) -> Intersperse:
        return Intersperse(",", "[", "]")

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [["[", *[y for x in inputs[0] for y in (",", x)][1:], "]"]]


class TestZipWithIndex(StageContract):
    def make(self) -> ZipWithIndex:
        return ZipWithIndex()

    def item(self, n: int) -> str:
        return str(n)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[(x, n) for n, x in enumerate(inputs[0])]]


class TestDoOnFirst(StageContract):
    def make(self) -> DoOnFirst:
        return DoOnFirst(lambda x: None)


class TestDoOnCancel(StageContract):
    def make(self) -> DoOnCancel:
        return DoOnCancel(lambda cause: None)


@pytest.mark.parametrize("end", ["complete", "fail", "cancel", "broken"])
def test_state_is_closed_once_when_the_stage_ends(end: str) -> None:
    """However it ends, `on_complete` is called once with the last state; its element comes only after a completion."""
    closed: list[int] = []

    def close(state: int) -> str:
        closed.append(state)
        return "end"

    with StageBench(StatefulMap(lambda: 0, raising(lambda s, x: (s + x, x)), close), keep=True) as bench:
        bench.sink.request(9)
        bench.source.send(1, 2)
        bench.sink.expect_next(1, 2)
        if end == "complete":
            bench.source.complete()
            bench.sink.expect_next("end")
        elif end == "fail":
            bench.source.fail(Broken())
        elif end == "cancel":
            bench.sink.cancel()
        else:
            bench.source.send(BAD)
            bench.sink.expect_error(Broken)
        bench.sink.expect_no_next()
    assert closed == [3]


@pytest.mark.parametrize("on_error", ["resume", "restart", "stop"])
def test_stream_ends_when_the_function_for_the_end_raises(on_error: Any) -> None:
    """It used to wait for ever, unless it stopped; what it would have given is left out."""

    def close(state: int) -> int:
        raise Broken

    with StageBench(StatefulMap(lambda: 0, lambda s, x: (s, x), close, on_error=on_error)) as bench:
        bench.sink.request(9)
        bench.source.send(1)
        bench.source.complete()
        bench.sink.expect_next(1)
        if on_error == "stop":
            bench.sink.expect_error(Broken)
        else:
            bench.sink.expect_complete()
        assert bench.counters["errors"] == 1


def test_state_is_made_anew_when_the_stage_restarts() -> None:
    """The old one is closed; elements behind the guilty one see the new one, in the same chunk too."""
    closed: list[int] = []
    stage = StatefulMap(lambda: 0, raising(lambda s, x: (s + x, s + x)), closed.append, on_error="restart")
    with StageBench(stage) as bench:
        bench.sink.request(9)
        bench.source.send(1, 2, BAD, 4, 5)
        bench.sink.expect_next(1, 3, 4, 9)
        assert closed == [3]
    assert closed == [3, 9]


def test_element_fails_when_the_function_gives_none_or_no_pair() -> None:
    """None is no element (rule 2.13), and what is no pair has no state."""
    with StageBench(StatefulMap(lambda: 0, lambda s, x: (s, None) if x == 1 else x, on_error="resume")) as bench:
        bench.sink.request(9)
        bench.source.send(1, 2, (7, 8))
        bench.sink.expect_next(8)
        assert bench.source.outcomes.failed() == [0, 1]


def test_state_is_of_one_run_when_a_stage_runs_twice() -> None:
    """A stage is a description: what its logic remembers is not in it."""
    stage = StatefulMapConcat(counted)
    for _ in range(2):
        with StageBench(stage) as bench:
            bench.sink.request(9)
            bench.source.send("a", "b", "c")
            bench.sink.expect_next(("b", 1), ("c", 2), ("c", 2))


def test_function_is_made_anew_when_stateful_map_concat_restarts() -> None:
    """What it remembered is gone."""

    def create() -> Callable[[Any], Iterable[Any]]:
        seen: list[Any] = []

        def expand(x: Any) -> Iterable[Any]:
            seen.append(x)
            return [len(seen)]

        return raising(expand)

    with StageBench(StatefulMapConcat(create, on_error="restart")) as bench:
        bench.sink.request(9)
        bench.source.send(1, 2)
        bench.source.send(BAD)
        bench.source.send(1)
        bench.sink.expect_next(1, 2, 1)


def test_start_and_end_come_when_no_element_does() -> None:
    """An empty list is `[` and `]`; nothing comes before it is known that the stream has begun or ended."""
    with StageBench(Intersperse(",", "[", "]")) as bench:
        bench.sink.request(1)
        bench.sink.expect_no_signal()
        bench.source.complete()
        bench.sink.expect_next("[")
        bench.sink.expect_no_signal()
        bench.sink.request(1)
        bench.sink.expect_next("]")
        bench.sink.expect_complete()


def test_what_comes_between_shares_the_receipt_when_it_is_settled() -> None:
    """An element is stored when it and what was put in front of it are."""
    with StageBench(Intersperse(","), keep=True) as bench:
        bench.sink.request(2)
        bench.source.expect_request(1)
        bench.source.send("a")
        bench.sink.expect_next("a")
        bench.source.send("b")
        bench.sink.request(1)
        bench.sink.expect_next(",", "b")
        bench.sink.held[1].settle()
        assert 1 not in bench.source.outcomes.by_mark
        bench.sink.settle_all()
        assert isinstance(bench.source.outcomes.by_mark[1], Stored)


def test_none_is_refused_when_it_is_to_come_between() -> None:
    """Rule 2.13."""
    with pytest.raises(TypeError, match=r"2\.13"):
        Intersperse(None)


def test_function_is_called_once_when_elements_come() -> None:
    """With the first element only; what it raises fails that element."""
    seen: list[int] = []
    with StageBench(DoOnFirst(seen.append)) as bench:
        bench.sink.request(9)
        bench.source.send(1, 2)
        bench.source.send(3)
        bench.sink.expect_next(1, 2, 3)
    assert seen == [1]
    for on_error, failed in (("resume", [0]), ("stop", [0, 1])):
        with StageBench(DoOnFirst(raising(seen.append), on_error=on_error)) as bench:  # type: ignore[arg-type]
            bench.sink.request(9)
            bench.source.send(BAD, 2)
            assert bench.source.outcomes.failed() == failed


@pytest.mark.parametrize("cause", [None, Broken("downstream")])
def test_function_hears_the_cause_when_downstream_cancels(cause: BaseException | None) -> None:
    """It is called on a cancel only; when it raises, upstream is cancelled all the same."""
    heard: list[Any] = []
    with StageBench(DoOnCancel(heard.append)) as bench:
        bench.sink.cancel(cause)
        assert heard == [cause]
        assert bench.source.cancelled == [cause]
    with StageBench(DoOnCancel(heard.append)) as bench:
        bench.source.complete()
    assert heard == [cause]
    with StageBench(DoOnCancel(lambda c: heard[9])) as bench:
        bench.sink.cancel(cause)
        assert bench.source.cancelled == [cause]
        assert bench.counters["errors"] == 1

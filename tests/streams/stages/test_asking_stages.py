"""scatter_gather and tail_chop: contracts and own cases, under virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.streams.routing.asking import NoAnswer
from rt_edge.streams.stages.scatter_gather import ScatterGather
from rt_edge.streams.stages.tail_chop import TailChop
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import BAD, Broken, SupervisionContract
from rt_edge.testkit.virtual_clock import Sleep

Log = list[tuple[str, Any]]


def after(
    seconds: float, answer: Callable[[Any], Any], log: Log | None = None, name: str = ""
) -> Callable[[Any], Awaitable[Any]]:
    async def function(item: Any) -> Any:
        if log is not None:
            log.append((name, item))
        await Sleep(seconds)
        return answer(item)

    return function


def broken(item: Any) -> Any:
    if item == BAD:
        raise Broken("bad element")
    return item


class TestScatterGather(SupervisionContract):
    residue_differs = "elements without an answer so far are handed on raw"

    def make(self) -> ScatterGather:
        return ScatterGather(functions=[after(0.02, lambda x: x + 1), after(0.1, lambda x: x - 1)], parallelism=4)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[x + 1 for x in inputs[0]]]

    def make_failing(self, on_error: Any) -> ScatterGather:
        return ScatterGather(functions=[after(0.02, broken), after(0.03, broken)], parallelism=3, on_error=on_error)


class TestTailChop(SupervisionContract):
    residue_differs = "elements without an answer so far are handed on raw"

    def make(self) -> TailChop:
        return TailChop(functions=[after(0.3, lambda x: -x), after(0.1, lambda x: x * 2)], interval=0.1, within=1.0)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[x * 2 for x in inputs[0]]]

    def make_failing(self, on_error: Any) -> TailChop:
        return TailChop(functions=[after(0.02, broken)] * 2, interval=0.1, parallelism=2, on_error=on_error)


def test_first_answer_counts_when_all_are_asked() -> None:
    """All are called at once; the slower call is cancelled and says nothing more."""
    log: Log = []
    said: list[str] = []

    def slow(item: Any) -> Any:
        said.append("slow")
        return "slow"

    with StageBench(ScatterGather(functions=[after(2.0, slow, log, "slow"), after(1.0, str, log, "fast")])) as bench:
        bench.sink.request(5)
        bench.source.expect_request(1)
        bench.source.send(7)
        assert log == [("slow", 7), ("fast", 7)]
        bench.advance(0.9)
        bench.sink.expect_no_signal()
        bench.advance(0.2)
        bench.sink.expect_next("7")
        assert bench.source.outcomes.stored() == [0]
        bench.advance(5.0)
        assert said == []


def test_next_is_asked_when_the_interval_is_over() -> None:
    """One call at the start, one more each interval, at once after a failure."""
    log: Log = []
    functions = [after(9.0, str, log, "a"), after(0.1, lambda x: 1 / 0, log, "b"), after(0.5, str, log, "c")]
    with StageBench(TailChop(functions=functions, interval=1.0, within=5.0)) as bench:
        bench.sink.request(1)
        bench.source.send(7)
        bench.advance(0.9)
        assert [name for name, _ in log] == ["a"]
        bench.advance(0.15)
        assert [name for name, _ in log] == ["a", "b"]
        bench.advance(0.1)
        assert [name for name, _ in log] == ["a", "b", "c"]
        bench.advance(0.5)
        bench.sink.expect_next("7")


def test_order_is_drawn_when_a_seed_is_given() -> None:
    """Not always the same function is asked first; the same seed asks the same."""

    def first_asked(seed: int | None) -> list[str]:
        log: Log = []
        stage = TailChop(functions=[after(0.1, str, log, name) for name in "abc"], seed=seed)
        with StageBench(stage) as bench:
            bench.sink.request(20)
            for item in range(20):
                bench.source.send(item)
                bench.advance(0.2)
        return [name for name, _ in log]

    assert set(first_asked(None)) == {"a"}
    assert set(first_asked(1)) == {"a", "b", "c"}
    assert first_asked(1) == first_asked(1)


def test_order_is_kept_when_answers_come_in_another() -> None:
    """A later element that is answered first waits; no more than `parallelism` are asked about."""

    async def function(item: float) -> float:
        await Sleep(item)
        return item

    with StageBench(ScatterGather(functions=[function], parallelism=3)) as bench:
        bench.sink.request(10)
        bench.source.expect_request(3)
        bench.source.send(3.0, 1.0, 2.0)
        bench.advance(2.5)
        bench.sink.expect_no_signal()
        bench.source.expect_no_request()
        bench.advance(1.0)
        bench.sink.expect_next(3.0, 1.0, 2.0)
        bench.source.expect_request()


def test_element_fails_when_nobody_answers_in_time() -> None:
    """Under resume the next goes on; None is no answer."""
    functions = [after(9.0, str)]
    with StageBench(ScatterGather(functions=functions, within=1.0, on_error="resume")) as bench:
        bench.sink.request(2)
        bench.source.send(1)
        bench.advance(1.1)
        assert bench.source.outcomes.failed() == [0]
        assert isinstance(bench.source.outcomes.errors()[0].__cause__, NoAnswer)
        bench.source.expect_request(1)
    with StageBench(ScatterGather(functions=[after(0.1, lambda x: None)], on_error="resume")) as bench:
        bench.sink.request(1)
        bench.source.send(1)
        bench.advance(1.0)
        assert "rule 2.13" in str(bench.source.outcomes.errors()[0])


@pytest.mark.parametrize(
    "make",
    [
        lambda: ScatterGather(functions=[]),
        lambda: ScatterGather(functions=[after(1, str)], within=0.0),
        lambda: ScatterGather(functions=[after(1, str)], parallelism=0),
        lambda: ScatterGather(functions=[after(1, str)], parallelism=1025),
        lambda: ScatterGather(functions=["x"]),
        lambda: TailChop(functions=[after(1, str)], interval=0.0),
        lambda: TailChop(functions=[after(1, str)], interval=9.0),
    ],
)
def test_settings_are_refused_when_they_make_no_sense(make: Any) -> None:
    """Before anything runs."""
    with pytest.raises(ConfigError):
        make()


def mixed(answer: Callable[[Any], Any], log: Log | None = None, name: str = "") -> Callable[[Any], Awaitable[Any]]:
    """Answers at once about most elements."""

    async def function(item: Any) -> Any:
        if log is not None:
            log.append((name, item))
        if item % 7 == 6:
            await Sleep(0.02)
        return answer(item)

    return function


class TestScatterGatherAtOnce(SupervisionContract):
    residue_differs = "elements without an answer so far are handed on raw"

    def make(self) -> ScatterGather:
        return ScatterGather(functions=[mixed(lambda x: x + 1), after(0.1, lambda x: x - 1)], parallelism=2)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[x + 1 for x in inputs[0]]]

    def make_failing(self, on_error: Any) -> ScatterGather:
        return ScatterGather(functions=[mixed(broken), mixed(broken)], parallelism=3, on_error=on_error)


class TestTailChopAtOnce(SupervisionContract):
    residue_differs = "elements without an answer so far are handed on raw"

    def make(self) -> TailChop:
        return TailChop(functions=[mixed(lambda x: x * 2), mixed(lambda x: x * 2)], interval=0.1, within=1.0, seed=3)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[x * 2 for x in inputs[0]]]

    def make_failing(self, on_error: Any) -> TailChop:
        return TailChop(functions=[mixed(broken)] * 2, interval=0.1, on_error=on_error)


def test_others_are_asked_when_the_first_fails_or_waits() -> None:
    """Not when it answers at once; and no more than `parallelism` wait for an answer, however many there are."""
    log: Log = []

    def odd(item: Any) -> Any:
        return item if item % 2 else 1 / 0

    async def second(item: Any) -> Any:
        log.append(("second", item))
        return -item

    with StageBench(ScatterGather(functions=[mixed(odd, log, "first"), second], parallelism=2)) as bench:
        bench.sink.request(600)
        bench.source.expect_request(2)
        bench.source.send(1, 4)
        bench.sink.expect_next(1, -4)
        assert log == [("first", 1), ("first", 4), ("second", 4)]
        bench.source.send(3)
        bench.sink.expect_next(3)
        assert bench.source.demand > 200, "answers came at once, so more may be asked for"
        del log[:]
        bench.source.send(5, 6, 7, 9)
        bench.sink.expect_next(5, -6, 7, 9)
        assert ("second", 6) in log
    with StageBench(ScatterGather(functions=[mixed(odd)], parallelism=2)) as bench:
        bench.sink.request(600)
        bench.source.send(1)
        bench.source.send(*[13] * 50)
        bench.advance(0.03)
        assert len(bench.sink.received) == 3
        bench.advance(0.02)
        assert len(bench.sink.received) == 5

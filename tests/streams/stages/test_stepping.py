"""scan_async and fold_async: contracts and own cases."""

from __future__ import annotations

import asyncio
from itertools import accumulate
from typing import Any

import pytest

from rt_edge.streams.dsl import Sink, Source
from rt_edge.streams.stage import Hold
from rt_edge.streams.stages.fold_async import FoldAsync
from rt_edge.streams.stages.scan_async import ScanAsync
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import BAD, Broken, SupervisionContract
from rt_edge.testkit.virtual_clock import Sleep


async def add(state: int, element: int) -> int:
    if element % 3:
        await Sleep(0.1 * (element % 5))
    if element == BAD:
        raise Broken("bad element")
    return state + element


async def keep(state: tuple[int, ...], element: int) -> tuple[int, ...]:
    await add(0, element)
    return (*state, element)


class TestScanAsync(SupervisionContract):
    residue_differs = "elements that wait for their turn are handed on raw"

    def make(self) -> ScanAsync:
        return ScanAsync(0, add)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [list(accumulate(inputs[0], initial=0))]

    def make_failing(self, on_error: Any) -> ScanAsync:
        return ScanAsync(0, add, on_error=on_error)

    def after_failure(self, inputs: list[Any], on_error: Any) -> list[Any]:
        if BAD not in inputs:
            return list(accumulate(inputs, initial=0))
        place = inputs.index(BAD)
        front = list(accumulate(inputs[:place], initial=0))
        state = 0 if on_error == "restart" else front[-1]
        return [*front, *list(accumulate(inputs[place + 1 :], initial=state))[1:]]


class TestFoldAsync(SupervisionContract):
    residue_differs = "elements that wait for their turn are handed on raw"

    def make(self) -> FoldAsync:
        return FoldAsync(zero=(), function=keep)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[tuple(inputs[0])]]

    def make_failing(self, on_error: Any) -> FoldAsync:
        return FoldAsync(zero=(), function=keep, on_error=on_error)

    def after_failure(self, inputs: list[Any], on_error: Any) -> list[Any]:
        if on_error == "stop":
            return []
        place = inputs.index(BAD)
        return [tuple(inputs[place + 1 :]) if on_error == "restart" else tuple(x for x in inputs if x != BAD)]


def test_coroutines_run_one_after_the_other_when_elements_come_together() -> None:
    """The state of one is the argument of the next."""
    order: list[str] = []

    async def step(state: int, element: int) -> int:
        order.append(f"begin {element}")
        await Sleep(1.0)
        order.append(f"end {element}")
        return element

    with StageBench(ScanAsync(0, step)) as bench:
        bench.sink.request(9)
        bench.source.send(1, 2)
        bench.sink.expect_next(0)
        bench.advance(1.5)
        bench.sink.expect_next(1)
        assert order == ["begin 1", "end 1", "begin 2"]
        bench.source.complete()
        bench.sink.expect_no_signal()
        bench.advance(1.0)
        bench.sink.expect_next(2)
        bench.sink.expect_complete()


@pytest.mark.parametrize("make", [lambda f: ScanAsync(0, f), lambda f: FoldAsync(zero=0, function=f)])
def test_coroutine_is_cancelled_when_downstream_cancels(make: Any) -> None:
    """What was under way and what waited is dropped."""
    ended: list[str] = []

    async def step(state: int, element: int) -> int:
        try:
            await Sleep(1.0)
        finally:
            ended.append("ended")
        return element

    with StageBench(make(step)) as bench:
        bench.sink.request(9)
        bench.source.send(1, 2)
        bench.advance(0.5)
        bench.sink.cancel()
        assert ended == ["ended"]
        assert bench.source.outcomes.dropped("cancelled") == [0, 1]


def test_elements_are_settled_on_intake_when_early() -> None:
    """As those of fold; else with the result."""
    with StageBench(FoldAsync(zero=0, function=add, settle="early")) as bench:
        bench.sink.request(1)
        bench.source.send(3, 6)
        assert bench.source.outcomes.stored() == [0, 1]
    assert FoldAsync(zero=0, function=add, settle="early").holds() == Hold(0)
    with StageBench(FoldAsync(zero=0, function=add), keep=True) as bench:
        bench.sink.request(1)
        bench.source.send(3, 6)
        bench.source.complete()
        bench.sink.expect_next(9)
        assert bench.source.outcomes.by_mark == {}


def test_elements_folded_so_far_fail_when_the_stage_restarts() -> None:
    """They are in no result."""
    with StageBench(FoldAsync(zero=0, function=add, on_error="restart")) as bench:
        bench.sink.request(1)
        bench.source.send(3, 6, BAD, 9)
        bench.advance(10.0)
        bench.source.complete()
        bench.sink.expect_next(9)
        assert bench.source.outcomes.failed() == [0, 1, 2]
        assert bench.source.outcomes.stored() == [3]


def test_stage_fails_when_a_coroutine_gives_none() -> None:
    """None is no element (rule 2.13)."""

    async def nothing(state: int, element: int) -> None:
        return None

    with StageBench(ScanAsync(0, nothing)) as bench:
        bench.sink.request(2)
        bench.source.send(1)
        bench.sink.expect_next(0)
        bench.sink.expect_error(TypeError)


def test_result_is_that_of_the_loop_when_a_stream_runs_on_asyncio() -> None:
    """On the running loop, with its own sleeps."""

    async def later(state: int, element: int) -> int:
        await asyncio.sleep(0)
        return state + element

    assert asyncio.run(Source.range(0, 500).fold_async(0, later).to(Sink.head()).run_async()) == 124750
    assert asyncio.run(Source.range(0, 4).scan_async(0, later).to(Sink.collect()).run_async()) == [0, 0, 1, 3, 6]


def test_what_was_good_goes_out_before_the_error_when_elements_come_together() -> None:
    """Under stop: what waited behind the guilty element fails with it."""
    with StageBench(ScanAsync(0, add)) as bench:
        bench.sink.request(9)
        bench.sink.expect_next(0)
        bench.source.send(3, 6, BAD, 9)
        bench.advance(1.0)
        bench.sink.expect_next(3, 9)
        bench.sink.expect_error(Broken)
        assert bench.source.outcomes.stored() == [0, 1]
        assert bench.source.outcomes.failed() == [2, 3]


@pytest.mark.parametrize("make", [lambda: ScanAsync(0, add), lambda: FoldAsync(zero=0, function=add)])
def test_one_task_serves_many_elements_when_none_of_them_waits(make: Any) -> None:
    """A task for each would cost more than most coroutines do."""
    with StageBench(make()) as bench:
        begun: list[Any] = []
        spawn = bench.host.spawn
        bench.host.spawn = lambda work, done: begun.append(work) or spawn(work, done)  # type: ignore[method-assign,func-returns-value]
        bench.sink.request(201)
        bench.source.send(*([3] * 200))
        bench.source.complete()
        assert bench.sink.received[-1] == 600
        assert len(begun) == 4  # 64 at a time, then others have the loop


def test_element_fails_when_what_it_waited_for_is_cancelled() -> None:
    """Not the stage: it was not cancelled itself."""

    async def step(state: int, element: int) -> int:
        if element == 2:
            raise asyncio.CancelledError
        return state + element

    async def run() -> Any:
        return await Source.range(0, 5).scan_async(0, step, on_error="resume").to(Sink.collect()).run_async()

    assert asyncio.run(run()) == [0, 0, 1, 4, 8]

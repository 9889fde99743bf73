"""Asynchronous iterables into a stream and streams as asynchronous iterators, on a real loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from rt_edge.data.chunk import Chunk
from rt_edge.data.receipt import Origin, Receipt
from rt_edge.streams.dsl import Sink, Source
from rt_edge.streams.stage import OUT, Stage, StageLogic
from rt_edge.testkit.probes import Outcomes


async def numbers(n: int, seen: list[Any] | None = None, wait: bool = False) -> AsyncIterator[int]:
    """0 to n - 1; says where it is, and that it was closed."""
    try:
        for i in range(n):
            if seen is not None:
                seen.append(i)
            if wait:
                await asyncio.sleep(0)
            yield i
    finally:
        if seen is not None:
            seen.append("closed")


class Numbers:
    """An asynchronous iterable that can be iterated more than once."""

    def __init__(self, n: int, wait: bool = False) -> None:
        self.n, self.wait = n, wait
        self.seen: list[Any] = []

    def __aiter__(self) -> AsyncIterator[int]:
        return numbers(self.n, self.seen, self.wait)


@pytest.mark.parametrize("wait", [False, True])
@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 1000])
def test_all_elements_come_through_when_an_async_iterable_goes_in_and_a_stream_comes_out(n: int, wait: bool) -> None:
    """In order, once each, for every run."""

    async def run() -> None:
        source = Source.from_async_iterable(Numbers(n, wait)).map(lambda i: i * 2)
        for _ in range(2):
            assert [i async for i in source] == [i * 2 for i in range(n)]
            assert await source.to(Sink.collect()).run_async() == [i * 2 for i in range(n)]

    asyncio.run(run())


def test_an_async_iterable_is_advanced_only_as_far_as_is_asked_for() -> None:
    """Demand reaches the generator: with a window of 4, it is at most 4 ahead of who iterates."""
    items = Numbers(100)

    async def run() -> None:
        async with Source.from_async_iterable(items).elements(window=4) as elements:
            for i in range(20):
                assert await anext(elements) == i
                for _ in range(10):
                    await asyncio.sleep(0)
                assert len(items.seen) <= i + 1 + 4

    asyncio.run(run())
    assert items.seen[-1] == "closed"


def test_nothing_is_left_running_when_an_iteration_is_broken_off() -> None:
    """`break` cancels the stream: the generator is closed, no task stays, what waited is dropped."""
    items = Numbers(1000, wait=True)

    async def run() -> set[Any]:
        before = asyncio.all_tasks()
        async with Source.from_async_iterable(items).elements() as elements:
            async for i in elements:
                if i == 10:
                    break
        for _ in range(5):
            await asyncio.sleep(0)
        return asyncio.all_tasks() - before

    assert asyncio.run(run()) == set()
    assert items.seen[-1] == "closed"


def test_the_generator_is_closed_when_the_loop_is_left_without_context() -> None:
    """`async for` on the source itself is finalised by the loop at the latest."""
    items = Numbers(1000, wait=True)

    async def run() -> None:
        async for i in Source.from_async_iterable(items):
            if i == 3:
                break

    asyncio.run(run())
    assert items.seen[-1] == "closed"


def test_the_error_comes_after_the_elements_when_an_async_iterable_raises() -> None:
    """What was yielded before is not lost."""

    async def broken() -> AsyncIterator[int]:
        yield 1
        yield 2
        raise ValueError("broken")

    async def run() -> list[Any]:
        got: list[Any] = []
        try:
            got.extend([i async for i in Source.from_async_iterable(broken()).map(lambda i: got.append(i) or i)])
        except ValueError as error:
            got.append(str(error))
        return got

    assert asyncio.run(run()) == [1, 2, "broken"]


def test_none_is_an_error_when_an_async_iterable_gives_it() -> None:
    """Rule 2.13."""

    async def holes() -> AsyncIterator[Any]:
        yield 1
        yield None

    with pytest.raises(TypeError, match=r"2\.13"):
        asyncio.run(Source.from_async_iterable(holes()).to(Sink.collect()).run_async())


class Origins(Stage, frozen=True):
    """Ten elements with receipts."""

    outcomes: Any
    inlets = ()

    def create_logic(self) -> StageLogic:
        return OriginsLogic(self.outcomes)


class OriginsLogic(StageLogic):
    def __init__(self, outcomes: Outcomes) -> None:
        self.outcomes = outcomes

    def on_pull(self, outlet: Any, n: int) -> None:
        self.push(OUT, Chunk(list(range(10)), Receipt(range(10), self.outcomes, Origin("test", "1"))))
        self.complete(OUT)


async def raise_at_two(outcomes: Outcomes) -> None:
    """Iterate and fail."""
    async with Source(Origins(outcomes)).elements() as elements:
        async for i in elements:
            if i == 2:
                raise KeyError(i)


def test_an_element_is_settled_when_the_next_is_asked_for_and_dropped_when_nobody_came_for_it() -> None:
    """Processed means: who iterates has come back."""

    async def run() -> None:
        outcomes = Outcomes()
        async with Source(Origins(outcomes)).elements() as elements:
            for i in range(4):
                assert await anext(elements) == i
                assert outcomes.stored() == list(range(i))
        assert outcomes.stored() == [0, 1, 2, 3]
        assert outcomes.dropped("cancelled") == [4, 5, 6, 7, 8, 9]
        outcomes = Outcomes()
        with pytest.raises(KeyError):
            await raise_at_two(outcomes)
        assert (outcomes.stored(), outcomes.failed()) == ([0, 1], [2])

    asyncio.run(run())

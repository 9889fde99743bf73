"""map_blocking: contract under a virtual clock, and own cases on real threads and a real loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from rt_edge.streams.dsl import Sink, Source
from rt_edge.streams.host import AsyncioHost
from rt_edge.streams.stages import map_blocking
from rt_edge.streams.stages.map_blocking import MapBlocking
from rt_edge.testkit.stage_contract import OnError, SupervisionContract, raising
from rt_edge.testkit.virtual_clock import Sleep


class NoThreads:
    """In the place of asyncio in the stage's module: a call takes virtual time, some longer than others."""

    @staticmethod
    def get_running_loop() -> NoThreads:
        return NoThreads()

    async def run_in_executor(self, pool: object, function: Callable[[Any], Any], item: Any) -> Any:
        await Sleep(item * 7 % 5 / 10)
        return function(item)


class TestMapBlocking(SupervisionContract):
    residue_differs = "elements without a result are handed on raw"

    @pytest.fixture(autouse=True)
    def _no_threads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(map_blocking, "asyncio", NoThreads)

    def make(self) -> MapBlocking:
        return MapBlocking(lambda n: n + 1, parallelism=3)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[n + 1 for n in inputs[0]]]

    def make_failing(self, on_error: OnError) -> MapBlocking:
        return MapBlocking(raising(int), on_error=on_error)


def test_calls_are_made_on_other_threads_side_by_side_and_results_stay_in_order() -> None:
    """Three calls can only end together: each waits at a barrier for the two others."""
    barrier = threading.Barrier(3, timeout=10)
    threads: set[str] = set()

    def meet(n: int) -> int:
        threads.add(threading.current_thread().name)
        barrier.wait()
        return n * n

    source = Source.from_iterable(range(9)).map_blocking(meet, parallelism=3, name="slow")
    assert asyncio.run(source.to(Sink.collect()).run_async()) == [n * n for n in range(9)]
    assert len(threads) == 3
    assert all("blocking-slow" in name for name in threads)


def test_the_loop_goes_on_when_a_call_blocks() -> None:
    """The call can only return because the loop sets the event meanwhile."""
    released = threading.Event()

    async def run() -> list[int]:
        asyncio.get_running_loop().call_later(0.01, released.set)
        return await Source.single(1).map_blocking(lambda n: n if released.wait(10) else 0).to(Sink.collect()).run_async()

    assert asyncio.run(run()) == [1]


def test_only_the_guilty_element_fails_when_a_call_raises() -> None:
    """As of `on_error`."""
    source = Source.from_iterable([1, 0, 2]).map_blocking(lambda n: 4 // n, on_error="resume")
    assert asyncio.run(source.to(Sink.collect()).run_async()) == [4, 2]
    with pytest.raises(ZeroDivisionError):
        asyncio.run(Source.from_iterable([1, 0, 2]).map_blocking(lambda n: 4 // n).to(Sink.collect()).run_async())


def test_threads_end_when_the_stream_is_stopped() -> None:
    """A call that is under way ends; calls that wait for a thread are never made; no thread is left."""
    released, called = threading.Event(), []
    both = threading.Barrier(3, timeout=10)

    def wait(n: int) -> int:
        called.append(n)
        both.wait()
        released.wait(10)
        return n

    async def run() -> None:
        source = Source.from_iterable(range(4)).via(MapBlocking(wait, parallelism=2), "held")
        running = source.to(Sink.collect()).run(AsyncioHost())
        await asyncio.to_thread(both.wait)
        running.stop()
        released.set()

    asyncio.run(run())
    for thread in threading.enumerate():
        if "blocking-held" in thread.name:
            thread.join(10)
            assert not thread.is_alive()
    assert sorted(called) == [0, 1]

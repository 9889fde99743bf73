"""Goal: a stream that is cancelled leaves nothing: no task, no thread, no generator, no coroutine half way, no open resource.

Method: every stage that works outside its turn (found by what its module imports) runs on a real loop, with user code that counts
who is inside, and is cancelled at random moments in four ways: the run is stopped, the task that waits for it is cancelled,
downstream has had enough, downstream fails. Then everything has to end by itself, before the loop is closed.
"""

from __future__ import annotations

import ast
import asyncio
import gc
import importlib
import inspect
import random
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

import rt_edge.streams.stages
from rt_edge.streams.dsl import METHODS, Flow, Graph, Sink, Source
from rt_edge.streams.host import AsyncioHost

STAGES = Path(rt_edge.streams.stages.__file__).parent
OUTSIDE = {"_async", "_asking", "_breaking", "_worker", "_stepping"}
"""Modules for what goes on outside turns; a stage that uses none of them would have to `spawn` or make threads itself."""

SEEDS = 20
END_S = 20.0


class Inside:
    """User code that counts who has gone in and not come out."""

    def __init__(self, rng: random.Random, path: Path) -> None:
        self.rng = rng
        self.path = path
        self.inside = 0
        self.calls = 0
        self.gate = threading.Event()  # what blocks a thread ends when the test says so

    async def work(self, *arguments: Any) -> Any:
        """Takes some turns of the loop; now and then it waits for ever."""
        self.inside += 1
        self.calls += 1
        try:
            for _ in range(self.rng.randrange(4)):
                await asyncio.sleep(0)
            if not self.rng.randrange(20):
                await asyncio.Event().wait()
            return arguments[-1]
        finally:
            self.inside -= 1

    def block(self, *arguments: Any) -> Any:
        """In a thread; now and then it waits until the test lets it go."""
        self.inside += 1
        self.calls += 1
        try:
            if not self.rng.randrange(20):
                assert self.gate.wait(END_S)
            return arguments[-1] if arguments else self.calls
        finally:
            self.inside -= 1

    async def endless(self) -> AsyncIterator[int]:
        """An asynchronous generator."""
        self.inside += 1
        try:
            while True:
                yield await self.counted()
        finally:
            self.inside -= 1

    async def counted(self) -> int:
        self.calls += 1
        await asyncio.sleep(0)
        return self.calls

    def open(self) -> Inside:
        """A resource; `close` is its end."""
        self.inside += 1
        return self

    def close(self, _: Any) -> None:
        self.inside -= 1

    async def open_soon(self) -> Inside:
        await asyncio.sleep(0)
        return self.open()

    async def close_soon(self, it: Inside) -> None:
        self.close(it)


def endless() -> Source[int]:
    return Source.from_iterable(range(10**9))


STREAMS: dict[str, Callable[[Inside], Source[Any]]] = {
    "MapAsync": lambda it: endless().map_async(it.work, parallelism=3),
    "CircuitBreaker": lambda it: endless().circuit_breaker(it.work, parallelism=3),
    "MapAsyncUnordered": lambda it: endless().map_async_unordered(it.work, parallelism=3),
    "MapAsyncPartitioned": lambda it: endless().map_async_partitioned(lambda n: n % 5, it.work, parallelism=3),
    "MapBlocking": lambda it: endless().map_blocking(it.block, parallelism=2),
    "ScanAsync": lambda it: endless().scan_async(0, it.work),
    "FoldAsync": lambda it: endless().fold_async(0, it.work),
    "ScatterGather": lambda it: endless().scatter_gather([it.work, it.work], within=60, parallelism=2),
    "TailChop": lambda it: endless().tail_chop([it.work, it.work], interval=0.001, within=60, parallelism=2),
    "FromAsyncIterable": lambda it: Source.from_async_iterable(it.endless()),
    "UnfoldResource": lambda it: Source.unfold_resource(it.open, it.block, it.close),
    "ToPath": lambda it: endless().map(b"%d".__mod__).also_to(Sink.to_path(it.path)),
}
"""Every stage that works outside its turn."""

COMPOSED: dict[str, Callable[[Inside], Source[Any]]] = {
    "unfold_async": lambda it: Source.unfold_async(0, lambda state: it.work((state + 1, state))),
    "unfold_resource_async": lambda it: Source.unfold_resource_async(it.open_soon, it.work, it.close_soon),
    "future": lambda it: Source.future(lambda: it.work(1)),
    "foreach_async": lambda it: endless().also_to(Sink.foreach_async(it.work)),
    "in a group": lambda it: endless().group_by(lambda n: n % 3, Flow().map_async(it.work)),
    "in a flattened stream": lambda it: endless().flat_map_merge(lambda _: Source.from_async_iterable(it.endless()), 2),
    "in a switch": lambda it: endless().map_async(it.work).switch_map(lambda _: Source.from_async_iterable(it.endless())),
    "behind a restart": lambda it: Source.restart_source(
        lambda: endless().map_async(it.work), min_backoff=0.001, max_backoff=0.001
    ),
    "two in a row": lambda it: endless().map_async(it.work).map_blocking(it.block).map_async_unordered(it.work),
}


def test_every_stage_that_works_outside_its_turn_is_among_them() -> None:
    """A stage whose module imports what works on tasks or threads, or spawns itself, has a line above."""
    found = set()
    for stage in METHODS:
        module = importlib.import_module(stage.__module__)
        source = inspect.getsource(module)
        logic = STAGES / f"_{stage.__module__.rpartition('.')[2]}.py"  # of a stage that is in two files
        source += logic.read_text(encoding="utf-8") if logic.exists() else ""
        tree = ast.parse(source)
        imported = {node.module.rpartition(".")[2] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
        called = {
            node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        }
        if imported & OUTSIDE or "spawn" in called or "concurrent.futures" in source:
            found.add(stage.__name__)
    shared = {path.stem for path in STAGES.glob("_*.py") if ".spawn(" in path.read_text() or "Executor(" in path.read_text()}
    assert shared == OUTSIDE
    assert found == set(STREAMS)


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith(("worker-", "blocking-"))}


async def gone(condition: Callable[[], bool]) -> None:
    """Wait until it holds; the loop turns meanwhile."""
    async with asyncio.timeout(END_S):
        while not condition():  # noqa: ASYNC110 - threads and tasks of others ring no bell
            await asyncio.sleep(0)


def behind(how: str, source: Source[Any], rng: random.Random) -> Graph:
    """The graph: what stands behind what is cancelled."""
    if how == "enough":
        source = source.take(rng.randrange(1, 30))
    elif how == "failure":
        left = iter(range(rng.randrange(1, 30)))
        source = source.map(lambda n: (n, next(left)))  # StopIteration
    return source.to(Sink.ignore())


async def cancelled(how: str, make: Callable[[Inside], Source[Any]], it: Inside) -> None:
    """Run, cancel, and wait until nothing is left."""
    loop, rng = asyncio.get_running_loop(), it.rng
    raised: list[Any] = []
    loop.set_exception_handler(lambda _, context: raised.append(context))
    before, threads_before = asyncio.all_tasks(), threads()
    graph = behind(how, make(it), rng)
    if how == "task":
        task = asyncio.create_task(graph.run_async())
    else:
        running = graph.run(AsyncioHost())
    for _ in range(rng.randrange(60)):
        await asyncio.sleep(0)
    if how == "task":
        task.cancel()
        del task
    else:
        running.stop()
    it.gate.set()
    await gone(lambda: asyncio.all_tasks() == before)
    await gone(lambda: threads() <= threads_before)
    await gone(lambda: not it.inside)
    assert raised == []


@pytest.mark.parametrize("how", ["stop", "task", "enough", "failure"])
@pytest.mark.parametrize("name", [*STREAMS, *COMPOSED])
def test_nothing_is_left_when_the_stream_is_cancelled_at_any_moment(name: str, how: str, tmp_path: Path) -> None:
    """Tasks, threads, generators, coroutines and resources end by themselves; the loop's exception handler hears of nothing."""
    make = STREAMS.get(name) or COMPOSED[name]
    for seed in range(SEEDS):
        it = Inside(random.Random(f"{name} {how} {seed}"), tmp_path / "file")
        asyncio.run(cancelled(how, make, it))
    gc.collect()  # a coroutine that was never awaited warns here, and a warning is an error

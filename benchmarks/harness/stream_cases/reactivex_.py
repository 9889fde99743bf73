"""reactivex (RxPY): push, without back pressure."""

from __future__ import annotations

import asyncio
from typing import Any

import reactivex
from reactivex import operators as ops
from reactivex.scheduler import CurrentThreadScheduler
from reactivex.scheduler.eventloop import AsyncIOScheduler

from benchmarks.harness.stream_cases import BRANCHES, CONCURRENT, WINDOW, Cases, add, double, keep, key, one_more, parts, soon

NAME = "reactivex"
LACKS: dict[str, str] = {}


def _run(stream: Any) -> Any:
    return stream.run()


def fold(n: int) -> int:
    return _run(reactivex.from_iterable(range(n)).pipe(ops.map(double), ops.filter(keep), ops.reduce(add, 0)))


def ten_maps(n: int) -> int:
    return _run(reactivex.from_iterable(range(n)).pipe(*(ops.map(one_more) for _ in range(10)), ops.reduce(add, 0)))


def group(n: int) -> int:
    windows = ops.flat_map(lambda g: g.pipe(ops.buffer_with_count(WINDOW)))
    return _run(reactivex.from_iterable(range(n)).pipe(ops.group_by(key), windows, ops.map(sum), ops.reduce(add, 0)))


def merge(n: int) -> int:
    here = CurrentThreadScheduler.singleton()
    return _run(reactivex.merge(*(reactivex.from_iterable(part, here) for part in parts(n))).pipe(ops.reduce(add, 0)))


def broadcast(n: int) -> list[int]:
    results: list[int] = []
    shared = reactivex.from_iterable(range(n)).pipe(ops.publish())
    for _ in range(BRANCHES):
        shared.pipe(ops.reduce(add, 0)).subscribe(results.append)
    shared.connect()
    return results


def map_async(n: int) -> int:
    async def run() -> int:
        loop = asyncio.get_running_loop()
        started = ops.map(lambda x: reactivex.defer(lambda _: reactivex.from_future(loop.create_task(soon(x)))))
        source = reactivex.from_iterable(range(n), AsyncIOScheduler(loop))
        return await source.pipe(started, ops.merge(max_concurrent=CONCURRENT), ops.reduce(add, 0))

    return asyncio.run(run())


CASES: Cases = {
    "map, filter, fold": fold,
    "chain of 10 maps": ten_maps,
    "group_by, window": group,
    "merge of 10": merge,
    "broadcast to 10": broadcast,
    "map_async": map_async,
}

"""streamz: push into a source by `emit`, synchronously; asynchronously for coroutines."""

from __future__ import annotations

import asyncio
from typing import Any

from streamz import Stream

from benchmarks.harness.stream_cases import BRANCHES, CONCURRENT, WINDOW, Cases, add, double, keep, key, one_more, parts, soon

NAME = "streamz"
LACKS: dict[str, str] = {}


class _Sum:
    def __init__(self) -> None:
        self.total = 0

    def add(self, n: int) -> None:
        self.total = add(self.total, n)


def _emit(source: Any, n: int) -> None:
    for item in range(n):
        source.emit(item)


def fold(n: int) -> int:
    source, total = Stream(), _Sum()
    source.map(double).filter(keep).sink(total.add)
    _emit(source, n)
    return total.total


def ten_maps(n: int) -> int:
    source, total = Stream(), _Sum()
    node = source
    for _ in range(10):
        node = node.map(one_more)
    node.sink(total.add)
    _emit(source, n)
    return total.total


def group(n: int) -> int:
    source, total = Stream(), _Sum()
    source.partition(WINDOW, key=key).map(sum).sink(total.add)
    _emit(source, n)
    return total.total


def merge(n: int) -> int:
    sources, total = [Stream() for _ in range(BRANCHES)], _Sum()
    sources[0].union(*sources[1:]).sink(total.add)
    for items in zip(*parts(n), strict=True):
        for source, item in zip(sources, items, strict=True):
            source.emit(item)
    return total.total


def broadcast(n: int) -> list[int]:
    source, totals = Stream(), [_Sum() for _ in range(BRANCHES)]
    for total in totals:
        source.sink(total.add)
    _emit(source, n)
    return [total.total for total in totals]


def map_async(n: int) -> int:
    async def run() -> int:
        source, total = Stream(asynchronous=True), _Sum()
        done = asyncio.Event()
        left = n

        def take(item: int) -> None:
            nonlocal left
            total.add(item)
            left -= 1
            if not left:
                done.set()

        source.map_async(soon, parallelism=CONCURRENT).sink(take)
        for item in range(n):
            await source.emit(item)
        await done.wait()
        return total.total

    return asyncio.run(run())


CASES: Cases = {
    "map, filter, fold": fold,
    "chain of 10 maps": ten_maps,
    "group_by, window": group,
    "merge of 10": merge,
    "broadcast to 10": broadcast,
}
if hasattr(Stream, "map_async"):
    CASES["map_async"] = map_async
else:
    LACKS["map_async"] = "not in this version"

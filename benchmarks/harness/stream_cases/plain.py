"""Plain generators, and asyncio without a library: no back pressure to count, no errors to attribute, one thing at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from functools import reduce
from itertools import chain, tee

from benchmarks.harness.stream_cases import BRANCHES, CONCURRENT, WINDOW, Cases, add, double, keep, key, one_more, parts, soon

NAME = "plain generators"
LACKS: dict[str, str] = {}


def fold(n: int) -> int:
    return reduce(add, (x for x in (double(y) for y in range(n)) if keep(x)), 0)


def ten_maps(n: int) -> int:
    items: Iterable[int] = range(n)
    for _ in range(10):
        items = (one_more(x) for x in items)
    return reduce(add, items, 0)


def windows(items: Iterable[int]) -> Iterator[list[int]]:
    waiting: dict[int, list[int]] = {}
    for item in items:
        window = waiting.setdefault(key(item), [])
        window.append(item)
        if len(window) == WINDOW:
            yield window
            waiting[key(item)] = []
    yield from (window for window in waiting.values() if window)


def group(n: int) -> int:
    return reduce(add, (sum(window) for window in windows(range(n))), 0)


def merge(n: int) -> int:
    return reduce(add, chain.from_iterable(zip(*parts(n), strict=True)), 0)


def broadcast(n: int) -> list[int]:
    return [reduce(add, branch, 0) for branch in tee(iter(range(n)), BRANCHES)]


def map_async(n: int) -> int:
    async def run() -> int:
        total, items = 0, iter(range(n))

        async def work() -> None:
            nonlocal total
            for item in items:
                result = await soon(item)
                total = add(total, result)

        await asyncio.gather(*(work() for _ in range(CONCURRENT)))
        return total

    return asyncio.run(run())


CASES: Cases = dict(
    zip(
        ("map, filter, fold", "chain of 10 maps", "group_by, window", "merge of 10", "broadcast to 10", "map_async"),
        (fold, ten_maps, group, merge, broadcast, map_async),
        strict=True,
    )
)

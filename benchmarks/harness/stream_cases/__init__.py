"""The same work by several libraries, a module each.

A module has `CASES`: row -> function of the number of elements, which returns what the work came to (the runner compares it with
what plain Python comes to). A row that a library has no operator for is left out there, with the reason in `LACKS`. Each does
what its documentation shows for the purpose.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

ROWS = {
    "map, filter, fold": "double, keep two thirds, add up",
    "chain of 10 maps": "add one ten times, add up",
    "group_by, window": "by the last digit, windows of 100 of a key, add up each window, then all",
    "merge of 10": "ten sources, add up",
    "broadcast to 10": "ten sinks that add up; elements are those of the source",
    "map_async": "a coroutine that gives way once, ten at a time, add up",
}
KEYS, WINDOW, BRANCHES, CONCURRENT = 10, 100, 10, 10

Cases = dict[str, Callable[[int], Any]]


def double(n: int) -> int:
    return n * 2


def keep(n: int) -> bool:
    return n % 3 != 0


def add(total: int, n: int) -> int:
    return total + n


def one_more(n: int) -> int:
    return n + 1


def key(n: int) -> int:
    return n % KEYS


def parts(n: int) -> list[range]:
    """`n` elements in ten parts."""
    return [range(i, n, BRANCHES) for i in range(BRANCHES)]


async def soon(n: int) -> int:
    await asyncio.sleep(0)
    return n + 1

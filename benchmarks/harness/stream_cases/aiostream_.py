"""aiostream: asynchronous iterators, pulled one by one."""

from __future__ import annotations

import asyncio
from typing import Any

from aiostream import pipe, stream

from benchmarks.harness.stream_cases import CONCURRENT, Cases, add, double, keep, one_more, parts, soon

NAME = "aiostream"
LACKS = {"group_by, window": "no group_by", "broadcast to 10": "no broadcast"}


def _run(pipeline: Any) -> Any:
    async def run() -> Any:
        return await pipeline

    return asyncio.run(run())


def fold(n: int) -> int:
    return _run(stream.iterate(range(n)) | pipe.map(double) | pipe.filter(keep) | pipe.reduce(add, 0))


def ten_maps(n: int) -> int:
    pipeline: Any = stream.iterate(range(n))
    for _ in range(10):
        pipeline = pipeline | pipe.map(one_more)
    return _run(pipeline | pipe.reduce(add, 0))


def merge(n: int) -> int:
    return _run(stream.merge(*(stream.iterate(part) for part in parts(n))) | pipe.reduce(add, 0))


def map_async(n: int) -> int:
    return _run(stream.iterate(range(n)) | pipe.map(soon, task_limit=CONCURRENT) | pipe.reduce(add, 0))


CASES: Cases = {"map, filter, fold": fold, "chain of 10 maps": ten_maps, "merge of 10": merge, "map_async": map_async}

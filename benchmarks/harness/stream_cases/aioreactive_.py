"""aioreactive: asynchronous observables; the producer awaits the consumer."""

from __future__ import annotations

import asyncio
from typing import Any

import aioreactive as rx
from expression import pipe

from benchmarks.harness.stream_cases import BRANCHES, Cases, add, double, keep, one_more, parts

NAME = "aioreactive"
LACKS = {"group_by, window": "no windows by count", "map_async": "none that runs several at a time"}


class _Sum:
    def __init__(self) -> None:
        self.total = 0
        self.ended = asyncio.Event()

    async def send(self, n: int) -> None:
        self.total = add(self.total, n)

    async def throw(self, error: Exception) -> None:
        raise error

    async def close(self) -> None:
        self.ended.set()


async def _sum(stream: Any) -> int:
    total = _Sum()
    await stream.subscribe_async(rx.AsyncAnonymousObserver(total.send, total.throw, total.close))
    await total.ended.wait()
    return total.total


def fold(n: int) -> int:
    return asyncio.run(_sum(pipe(rx.from_iterable(range(n)), rx.map(double), rx.filter(keep))))


def ten_maps(n: int) -> int:
    return asyncio.run(_sum(pipe(rx.from_iterable(range(n)), *(rx.map(one_more) for _ in range(10)))))


def merge(n: int) -> int:
    return asyncio.run(_sum(pipe(rx.from_iterable([rx.from_iterable(part) for part in parts(n)]), rx.merge_inner())))


def broadcast(n: int) -> list[int]:
    async def run() -> list[int]:
        subject: Any = rx.AsyncSubject()
        totals = [_Sum() for _ in range(BRANCHES)]
        for total in totals:
            await subject.subscribe_async(rx.AsyncAnonymousObserver(total.send, total.throw, total.close))
        for item in range(n):
            await subject.asend(item)
        await subject.aclose()
        return [total.total for total in totals]

    return asyncio.run(run())


CASES: Cases = {"map, filter, fold": fold, "chain of 10 maps": ten_maps, "merge of 10": merge, "broadcast to 10": broadcast}

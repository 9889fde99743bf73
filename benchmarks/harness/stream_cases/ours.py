"""rt_edge: counters and back pressure on, as always."""

from __future__ import annotations

import asyncio
from typing import Any

from benchmarks.harness.stream_cases import BRANCHES, CONCURRENT, WINDOW, Cases, add, double, keep, key, one_more, parts, soon
from rt_edge.streams.dsl import Flow, Graph, Sink, Source

NAME = "rt_edge"
LACKS: dict[str, str] = {}


def _run(graph: Graph) -> Any:
    return asyncio.run(graph.run_async())


def _total(source: Source[int]) -> int:
    return _run(source.to(Sink.fold(0, add)))


def fold(n: int) -> int:
    return _total(Source.from_iterable(range(n)).map(double).filter(keep))


def ten_maps(n: int) -> int:
    source = Source.from_iterable(range(n))
    for _ in range(10):
        source = source.map(one_more)
    return _total(source)


def group(n: int) -> int:
    windows = Source.from_iterable(range(n)).group_by(key, Flow().grouped(WINDOW).map(sum))
    return _total(windows)


def merge(n: int) -> int:
    first, *others = (Source.from_iterable(part) for part in parts(n))
    return _total(first.merge(*others))


def broadcast(n: int) -> list[int]:
    sinks = [Sink.fold(0, add, name=f"sum-{i}") for i in range(BRANCHES)]
    return list(_run(Source.from_iterable(range(n)).broadcast(*sinks)).values())


def map_async(n: int) -> int:
    return _total(Source.from_iterable(range(n)).map_async_unordered(soon, parallelism=CONCURRENT))


CASES: Cases = {
    "map, filter, fold": fold,
    "chain of 10 maps": ten_maps,
    "group_by, window": group,
    "merge of 10": merge,
    "broadcast to 10": broadcast,
    "map_async": map_async,
}

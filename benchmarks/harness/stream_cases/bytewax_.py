"""bytewax: a dataflow run by one worker of its Rust engine."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, run_main

from benchmarks.harness.stream_cases import BRANCHES, WINDOW, Cases, add, double, keep, key, one_more, parts

NAME = "bytewax"
LACKS = {"map_async": "no coroutines"}
BATCH = 1000


def _source(flow: Any, items: Iterable[int], name: str = "in") -> Any:
    return op.input(name, flow, TestingSource(items, batch_size=BATCH))


def _total(stream: Any, out: list[Any], name: str = "total") -> None:
    keyed = op.key_on(f"{name}-key", stream, lambda _: "all")
    summed = op.fold_final(f"{name}-fold", keyed, lambda: 0, add)
    op.output(f"{name}-out", summed, TestingSink(out))


def _run(flow: Any, out: list[Any]) -> list[int]:
    run_main(flow)
    return [total for _, total in out]


def fold(n: int) -> int:
    flow, out = Dataflow("fold"), []
    _total(op.filter("keep", op.map("double", _source(flow, range(n)), double), keep), out)
    return _run(flow, out)[0]


def ten_maps(n: int) -> int:
    flow, out = Dataflow("chain"), []
    stream = _source(flow, range(n))
    for i in range(10):
        stream = op.map(f"map{i}", stream, one_more)
    _total(stream, out)
    return _run(flow, out)[0]


def group(n: int) -> int:
    flow, out = Dataflow("group"), []
    keyed = op.key_on("key", _source(flow, range(n)), lambda x: str(key(x)))
    windows = op.collect("window", keyed, timeout=timedelta(hours=1), max_size=WINDOW)
    _total(op.map("sum", windows, lambda pair: sum(pair[1])), out)
    return _run(flow, out)[0]


def merge(n: int) -> int:
    flow, out = Dataflow("merge"), []
    _total(op.merge("merge", *(_source(flow, part, f"in{i}") for i, part in enumerate(parts(n)))), out)
    return _run(flow, out)[0]


def broadcast(n: int) -> list[int]:
    flow = Dataflow("broadcast")
    stream = _source(flow, range(n))
    outs: list[list[Any]] = [[] for _ in range(BRANCHES)]
    for i, out in enumerate(outs):
        _total(stream, out, f"total{i}")
    run_main(flow)
    return [out[0][1] for out in outs]


CASES: Cases = {
    "map, filter, fold": fold,
    "chain of 10 maps": ten_maps,
    "group_by, window": group,
    "merge of 10": merge,
    "broadcast to 10": broadcast,
}

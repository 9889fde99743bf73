"""map-filter-fold through the DSL and the fused engine, against plain generators (and reactivex, where it is installed).

    python benchmarks/bench_engine.py [--elements 1000000] [--repeat 3]

All peers run in turn in the same process, round after round; the best round of each counts. Times are monotonic wall time;
the collector is off while a peer runs, for all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib.util
import platform
from collections import deque
from collections.abc import Callable
from functools import reduce
from itertools import islice
from typing import Any

from rt_edge.data.clock import SystemClock
from rt_edge.data.receipt import Origin
from rt_edge.streams.dsl import Flow, Sink, Source
from rt_edge.streams.ledger import Ledger
from rt_edge.streams.stage import OUT, Inlet, Outlet, ReceiptUse, Stage, StageLogic

CHUNKS = (64, 256, 1024)
TARGET = 2_000_000
"""Elements per second at chunks of 64, with demand and counters."""


def double(n: int) -> int:
    return n * 2


def keep(n: int) -> bool:
    return n % 3 != 0


def add(total: int, n: int) -> int:
    return total + n


STEPS = Flow().map(double).filter(keep)


class Ledgered(Stage, frozen=True, kw_only=True):
    """The integers below `count`, each with a receipt that a ledger waits for.

    Emits when: asked.
    Backpressures when: downstream does, or 10,000 elements are unsettled.
    Completes when: all are settled.
    Cancels when: -
    """

    receipts = ReceiptUse.ORIGIN

    count: int
    chunk: int

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        return ()

    def create_logic(self) -> StageLogic:
        return _LedgeredLogic(self.count, self.chunk)


class _LedgeredLogic(StageLogic):
    def __init__(self, count: int, chunk: int) -> None:
        self._items = iter(range(count))
        self._count = count
        self._chunk = chunk
        self._ledger = Ledger(Origin("bench", "1"), 1, self._settled, lambda: None, lambda *_: None)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        wanted = self.demand(OUT)
        items = list(islice(self._items, min(wanted, self._chunk, 10_000 - self._ledger.outstanding)))
        if items:
            self.push(OUT, self._ledger.emit(items))
            self.pull_again(OUT)

    def _settled(self, prefix: int) -> None:
        if prefix == self._count:
            self.complete_stage()


def engine(count: int, chunk: int) -> int:
    graph = Source.from_iterable(range(count), chunk=chunk).via(STEPS).to(Sink.fold(0, add))
    return int(asyncio.run(graph.run_async()))


def engine_with_receipts(count: int, chunk: int) -> int:
    graph = Source(Ledgered(count=count, chunk=chunk)).via(STEPS).to(Sink.fold(0, add))
    return int(asyncio.run(graph.run_async()))


class Summing:
    """A subscriber that folds, and asks for `batch` elements when it has had as many."""

    def __init__(self, batch: int, done: asyncio.Future[int]) -> None:
        self.batch, self.done = batch, done
        self.total = self.seen = 0

    def on_subscribe(self, subscription: Any) -> None:
        self.subscription = subscription
        subscription.request(self.batch)

    def on_next(self, n: int) -> None:
        self.total += n
        self.seen += 1
        if self.seen == self.batch:
            self.seen = 0
            self.subscription.request(self.batch)

    def on_error(self, error: BaseException) -> None:
        self.done.set_exception(error)

    def on_complete(self) -> None:
        self.done.set_result(self.total)


def publisher(count: int, batch: int) -> int:
    """The same steps, handed out as a Publisher of Reactive Streams."""

    async def run() -> int:
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        Source.from_iterable(range(count)).via(STEPS).as_publisher().subscribe(Summing(batch, done))
        return await done

    return asyncio.run(run())


def generators(count: int) -> int:
    def mapped(items: Any) -> Any:
        for n in items:
            yield double(n)

    def filtered(items: Any) -> Any:
        for n in items:
            if keep(n):
                yield n

    return reduce(add, filtered(mapped(range(count))), 0)


def builtins(count: int) -> int:
    return reduce(add, filter(keep, map(double, range(count))), 0)


def reactivex(count: int) -> int:
    import reactivex as rx
    from reactivex import operators as ops

    seen: deque[int] = deque(maxlen=1)
    rx.range(0, count).pipe(ops.map(double), ops.filter(keep), ops.reduce(add, 0)).subscribe(seen.append)
    return seen[0]


def peers(count: int) -> dict[str, Callable[[], int]]:
    found: dict[str, Callable[[], int]] = {"plain generators": lambda: generators(count)}
    found["map() and filter()"] = lambda: builtins(count)
    if importlib.util.find_spec("reactivex"):
        found["reactivex"] = lambda: reactivex(count)
    for chunk in CHUNKS:
        found[f"rt_edge, chunks of {chunk}"] = lambda chunk=chunk: engine(count, chunk)  # type: ignore[misc]
    for chunk in CHUNKS:
        found[f"rt_edge, chunks of {chunk}, receipts"] = lambda chunk=chunk: engine_with_receipts(count, chunk)  # type: ignore[misc]
    for batch in (16, 256):
        found[f"as Publisher, request({batch})"] = lambda batch=batch: publisher(count, batch)  # type: ignore[misc]
    return found


def measure(count: int, repeat: int) -> dict[str, float]:
    """Elements per second of each peer, the best of `repeat` rounds; all have to come to the same sum."""
    clock = SystemClock()
    expected = builtins(count)
    best: dict[str, float] = {}
    for _ in range(repeat):
        for name, run in peers(count).items():
            gc.collect()
            gc.disable()
            began = clock.monotonic()
            result = run()
            seconds = clock.monotonic() - began
            gc.enable()
            if result != expected:
                raise SystemExit(f"{name}: came to {result}, not to {expected}")
            best[name] = max(best.get(name, 0.0), count / seconds)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--elements", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    best = measure(options.elements, options.repeat)
    base = best["plain generators"]
    print(f"map, filter, fold of {options.elements:,} integers, Python {platform.python_version()}, best of {options.repeat}")
    print(f"{'':34} {'elements/s':>12}  {'of generators':>13}")
    for name, rate in best.items():
        print(f"{name:34} {rate:12,.0f}  {rate / base:13.2f}")
    reached = best[f"rt_edge, chunks of {CHUNKS[0]}"]
    print(f"target at chunks of {CHUNKS[0]}: {TARGET:,}/s: {'reached' if reached >= TARGET else 'missed'} ({reached:,.0f})")
    if not importlib.util.find_spec("reactivex"):
        print("reactivex is not installed: not measured")


if __name__ == "__main__":
    main()

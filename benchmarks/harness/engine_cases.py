"""The same map, filter and fold by several means: the fused engine, plain generators, built-ins, reactivex.

On integers: double, keep two thirds, add up. On Readings: keep by a filter expression, set a field by an expression, add it up;
the peers do the same by hand, and make a new Reading for each they keep.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from itertools import cycle, islice
from typing import Any

from rt_edge.data.reading import Reading
from rt_edge.data.receipt import Origin
from rt_edge.streams.dsl import Flow, Sink, Source
from rt_edge.streams.ledger import Ledger
from rt_edge.streams.stage import OUT, Inlet, Outlet, ReceiptUse, Stage, StageLogic
from rt_edge.streams.stages.filter_expression import FilterExpression
from rt_edge.streams.stages.set_fields import SetFields

CHUNKS = (16, 64, 256, 1024)
WINDOW = 10_000
"""Unsettled elements of the source with receipts, as of an adapter without a window of its own."""

Peers = dict[str, Callable[[Sequence[Any]], float]]
"""Name -> items -> the sum."""


def has_reactivex() -> bool:
    """Whether it is installed (`pip install rt-edge[bench]`)."""
    return importlib.util.find_spec("reactivex") is not None


def double(n: int) -> int:
    return n * 2


def keep(n: int) -> bool:
    return n % 3 != 0


def add(total: float, n: float) -> float:
    return total + n


def warm(r: Reading) -> bool:
    return bool(r.fields["temp"] > 20 and r.quality == "good")


def in_fahrenheit(r: Reading) -> Reading:
    fields = {**r.fields, "temp_f": r.fields["temp"] * 1.8 + 32}
    return Reading(r.source, r.ts, fields, r.quality, r.tags, r.received, r.clock, r.held)


def add_field(total: float, r: Reading) -> float:
    return total + float(r.fields["temp_f"])


def readings(count: int) -> list[Reading]:
    """`count` Readings of 63 bytes (encoded), of which two thirds pass the filter; 4,096 different ones, again and again."""
    start = 1_754_000_000_000_000_000
    some = [
        Reading(
            f"plant/dev-{n % 50:03}", start + n * 1_000_000, {"temp": 19.25 + n % 3, "rpm": 1480 + n % 40}, received=start + n
        )
        for n in range(4096)
    ]
    return list(islice(cycle(some), count))


class Ledgered(Stage, frozen=True, kw_only=True):
    """The elements of a sequence, each with a receipt that a ledger waits for.

    Emits when: asked.
    Backpressures when: downstream does, or 10,000 elements are unsettled.
    Completes when: all are settled.
    Cancels when: -
    """

    receipts = ReceiptUse.ORIGIN

    items: Any
    chunk: int

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        return ()

    def create_logic(self) -> StageLogic:
        return _LedgeredLogic(self.items, self.chunk)


class _LedgeredLogic(StageLogic):
    def __init__(self, items: Sequence[Any], chunk: int) -> None:
        self._items = iter(items)
        self._count = len(items)
        self._chunk = chunk
        self._ledger = Ledger(Origin("bench", "1"), 1, self._settled, lambda: None, lambda *_: None)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        wanted = self.demand(OUT)
        items = list(islice(self._items, min(wanted, self._chunk, WINDOW - self._ledger.outstanding)))
        if items:
            self.push(OUT, self._ledger.emit(items))
            self.pull_again(OUT)

    def _settled(self, prefix: int) -> None:
        if prefix == self._count:
            self.complete_stage()


INTEGER_STEPS = Flow().map(double).filter(keep)
READING_STEPS = (
    Flow().via(FilterExpression(where="temp > 20 and quality == 'good'")).via(SetFields(fields={"temp_f": "temp * 1.8 + 32"}))
)


def engine(steps: Any, fold: Callable[[Any, Any], Any], chunk: int, receipts: bool) -> Callable[[Sequence[Any]], float]:
    """The graph, run on asyncio."""

    def run(items: Sequence[Any]) -> float:
        source = Source(Ledgered(items=items, chunk=chunk)) if receipts else Source.from_iterable(items, chunk=chunk)
        return float(asyncio.run(source.via(steps).to(Sink.fold(0, fold)).run_async()))

    return run


class Summing:
    """A subscriber that folds, and asks for `batch` elements when it has had as many."""

    def __init__(self, batch: int, done: asyncio.Future[float]) -> None:
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


def publisher(batch: int) -> Callable[[Sequence[Any]], float]:
    """The integers' steps, handed out as a Publisher of Reactive Streams."""

    async def main(items: Sequence[Any]) -> float:
        done: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        Source.from_iterable(items).via(INTEGER_STEPS).as_publisher().subscribe(Summing(batch, done))
        return await done

    return lambda items: asyncio.run(main(items))


def _mapped(function: Callable[[Any], Any], items: Iterable[Any]) -> Any:
    for item in items:
        yield function(item)


def _filtered(predicate: Callable[[Any], Any], items: Iterable[Any]) -> Any:
    for item in items:
        if predicate(item):
            yield item


def _observed(items: Sequence[Any], *steps: Any) -> float:
    import reactivex as rx

    seen: deque[float] = deque(maxlen=1)
    rx.from_iterable(items).pipe(*steps).subscribe(seen.append)
    return seen[0]


def _rx_integers(items: Sequence[Any]) -> float:
    from reactivex import operators as ops

    return _observed(items, ops.map(double), ops.filter(keep), ops.reduce(add, 0))


def _rx_readings(items: Sequence[Any]) -> float:
    from reactivex import operators as ops

    return _observed(items, ops.filter(warm), ops.map(in_fahrenheit), ops.reduce(add_field, 0))


def _engines(steps: Any, fold: Callable[[Any, Any], Any]) -> Peers:
    return {
        f"rt_edge, chunks of {chunk}{', receipts' if receipts else ''}": engine(steps, fold, chunk, receipts)
        for receipts in (False, True)
        for chunk in CHUNKS
    }


def on_integers() -> Peers:
    """What is measured on integers; the first is what the others are compared with."""
    peers: Peers = {
        "plain generators": lambda items: float(reduce(add, _filtered(keep, _mapped(double, items)), 0)),
        "map() and filter()": lambda items: float(reduce(add, filter(keep, map(double, items)), 0)),
    }
    if has_reactivex():
        peers["reactivex"] = _rx_integers
    peers |= _engines(INTEGER_STEPS, add)
    return peers | {f"as Publisher, request({batch})": publisher(batch) for batch in (16, 256)}


def on_readings() -> Peers:
    """What is measured on Readings; the first is what the others are compared with."""
    peers: Peers = {
        "plain generators": lambda items: float(reduce(add_field, _mapped(in_fahrenheit, _filtered(warm, items)), 0)),
    }
    if has_reactivex():
        peers["reactivex"] = _rx_readings
    return peers | _engines(READING_STEPS, add_field)

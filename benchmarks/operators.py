"""Every operator of the DSL alone, between a source and sinks, in chunks of 256: elements a second, beside `map`.

    python benchmarks/operators.py [--seconds 0.1] [--only Sliding Join] [--json FILE] [--profile]

Stages are found in `METHODS` and get the simplest parameters that they take. What waits for time waits in virtual time. Elements
are readings of three devices where a stage wants readings, lines of bytes for framing, else numbers; they are counted where they
come in, at the first inlet. With receipts, every element is accounted for, as behind an adapter that redelivers.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import logging
import pstats
import sys
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

import msgspec

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from benchmarks.harness.table import Row, dump, show  # noqa: E402 - a script finds its neighbours only after that line
from rt_edge.data.chunk import Chunk  # noqa: E402
from rt_edge.data.errors import ConfigError  # noqa: E402
from rt_edge.data.receipt import Marks, Origin, Outcome, Receipt  # noqa: E402
from rt_edge.protocol.demand import UNBOUNDED  # noqa: E402
from rt_edge.streams.blueprint import Blueprint  # noqa: E402
from rt_edge.streams.dsl import Flow, Source  # noqa: E402
from rt_edge.streams.engine import Engine  # noqa: E402
from rt_edge.streams.stage import IN, OUT, Inlet, Outlet, Stage, StageLogic  # noqa: E402
from rt_edge.testkit.random_stages import Maker, fits, item, played  # noqa: E402
from rt_edge.testkit.virtual_clock import VirtualHost  # noqa: E402

CHUNK = 256
FIRST = 8
"""Chunks of the first round; twice as many in each further one."""
SLOW = 10.0
"""Times the time of `map`, from which on a row is marked."""
PLAIN: dict[str, Any] = {
    "count": 100, "weight": 100.0, "most": 100, "elements": 1_000_000_000, "size": 1024, "within": 10.0, "every": 10.0,
    "quiet": 10.0, "gap": 10.0, "after": 1e9, "predicate": lambda _: True, "cost": lambda _: 1.0,
    "key": lambda element: id(element) % 3,
    "flow": Flow().map(lambda element: element),
}  # fmt: skip
"""Parameter -> value, where a stage needs one."""


async def last(_: Any, element: Any) -> Any:
    """A step of no work."""
    return element


async def at_once(element: Any) -> Any:
    """An answer that nobody has to wait for."""
    return element


EXACT: dict[str, dict[str, Any]] = {
    "Partition": {"by": lambda element: id(element) % 2},
    "GroupedAdjacentBy": {"by": lambda element: id(element) % 2},
    "GroupedAdjacentByWeighted": {"by": lambda element: id(element) % 2},
    "FilterExpression": {"where": "value > -1"},
    "FoldAsync": {"function": last},
    "ScanAsync": {"function": last},
    "RetryFlow": {"flow": Flow().map(lambda element: element)},
    "ScatterGather": {"functions": [at_once, at_once]},
    "TailChop": {"functions": [at_once, at_once]},
    "Fold": {"function": lambda state, _: state},
    "Scan": {"function": lambda state, _: state},
    "MapConcat": {"function": lambda element: (element,)},
    "FlatMapMerge": {"function": Source.single},
    "SwitchMap": {"function": Source.single},
    "MergeSequence": {"count": 1},
    "Take": {"count": UNBOUNDED},
    "Limit": {"count": UNBOUNDED},
    "LimitWeighted": {"weight": 1e18},
    "TakeUntil": {"predicate": lambda _: False},
    "DropWithin": {"within": 0.001},
    "TakeWithin": {"within": 1e9},
    "Sliding": {"count": 10},
    "SlidingWindow": {"size": 50.0, "every": 10.0},
    "GroupBy": {"flow": Flow().map(lambda element: element)},
    "SplitWhen": {"where": lambda element: id(element) % 10 == 0, "flow": Flow().map(lambda element: element)},
    "Unzip": {"count": 1},
    "Join": {"function": lambda left, right: (left, right)},
    "Delay": {"by": 0.001},
    "DelayWith": {"function": lambda _: 0.001},
    "InitialDelay": {"by": 0.001},
    "Collect": {"most": 1_000_000_000},
}
UNMEASURED = {"Head", "HeadOption", "Cancelled", "Gunzip", "Inflate", "Unzip"}
"""Stages that end with their first element, or want elements of their own."""


class Feed(Stage, frozen=True):
    """So many chunks of the same elements."""

    elements: list[Any]
    chunks: int
    tracked: bool
    inlets = ()  # type: ignore[assignment]

    def create_logic(self) -> StageLogic:
        """A logic that counts."""
        return _Feed(self)


class _Feed(StageLogic):
    def __init__(self, stage: Feed) -> None:
        self._stage = stage
        self._left = stage.chunks * len(stage.elements)
        self._sent = 0
        self._origin = Origin("feed", "1")

    def on_outcome(self, receipt: Receipt, marks: Marks, outcome: Outcome) -> None:
        """Somebody hears of it."""

    def on_pull(self, outlet: Outlet, n: int) -> None:
        n = min(self.demand(OUT), CHUNK, self._left)
        first = self._sent
        if self._stage.elements.__class__ is range:
            items: Any = list(range(first, first + n))
        else:
            items = self._stage.elements[:n]
        receipt = Receipt(range(first, first + n), self, self._origin) if self._stage.tracked else None
        self._sent += n
        self._left -= n
        self.push(OUT, Chunk(items, receipt))
        if not self._left:
            self.complete_stage()
        else:
            self.pull_again(OUT)


class Drain(Stage, frozen=True):
    """Asks for all, and settles it."""

    outlets = ()  # type: ignore[assignment]

    def create_logic(self) -> StageLogic:
        """A logic that keeps nothing."""
        return _Drain()


class _Drain(StageLogic):
    def on_start(self) -> None:
        self.request(IN, UNBOUNDED)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        chunk.settle()


def sort_of(kind: type[Stage]) -> str:
    """What elements a stage is measured with."""
    return next(sort for sort in ("numbers", "bytes", "readings") if fits(kind, sort))


def instance(kind: type[Stage], sort: str) -> Stage:
    """A stage with few and simple parameters."""
    maker = Maker(Random(1), faulty=False)
    values = dict(EXACT.get(kind.__name__, {}))
    for field in msgspec.structs.fields(kind):
        if field.name == "per" and "Callable" in str(field.type):
            values["per"] = "source" if sort == "readings" else lambda element: id(element) % 3
        elif field.required and field.name not in values:
            given = PLAIN.get(field.name) if field.name not in {"by", "function", "where"} else None
            values[field.name] = maker.draw(kind.__name__, field, sort) if given is None else given
    if kind.__name__ == "RouteByKey":
        values["key"] = lambda element: id(element) % 3
    try:
        return kind(**values)
    except ConfigError:  # of several parameters one has to be there
        found = maker.stage(kind, sort)
        assert found is not None
        return found


def run(stage: Stage, sort: str, chunks: int, tracked: bool) -> float:
    """Seconds for so many chunks."""
    elements: Any = range(CHUNK) if sort == "numbers" else [item(sort, number) for number in range(CHUNK)]
    blueprint, host = Blueprint(), VirtualHost()
    blueprint.add(stage, "tested")
    for index in range(len(stage.inlets)):
        blueprint.connect(blueprint.add(Feed(elements, chunks, tracked), f"feed{index}"), "tested", 0, index)
    for index in range(len(stage.outlets)):
        blueprint.connect("tested", blueprint.add(Drain(), f"drain{index}"), index, 0)
    engine = Engine(blueprint, host)
    host.attach(engine)
    gc.collect()
    gc.disable()
    began = perf_counter()
    engine.start()
    rounds = 0
    while not all(seat.stopped for seat in engine.seats.values()) and rounds < 10_000:
        host.advance(1.0)
        rounds += 1
    took = perf_counter() - began
    gc.enable()
    passed = engine.seats["feed0"].outs[0].passed
    engine.stop()
    if engine.error is not None:
        raise engine.error
    return took * chunks * CHUNK / max(1, passed)


def rate(stage: Stage, sort: str, seconds: float, tracked: bool) -> float:
    """Elements a second, of a round that takes at least so long."""
    chunks = FIRST
    while True:
        took = run(stage, sort, chunks, tracked)
        if took >= seconds or chunks >= 4096:
            return chunks * CHUNK / took
        chunks *= 2


def main() -> None:
    """Measure, and print a table, the slowest first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=0.1, help="of a round, at least")
    parser.add_argument("--only", nargs="*", default=[], help="classes of stages")
    parser.add_argument("--json", default="", help="also to this file")
    parser.add_argument("--profile", action="store_true", help="of those in --only, in place of the table")
    args = parser.parse_args()
    logging.disable(logging.CRITICAL)
    rows: list[Row] = []
    for kind in played():
        if kind.__name__ in UNMEASURED or (args.only and kind.__name__ not in {*args.only, "Map"}):
            continue
        if not instance(kind, sort_of(kind)).inlets:
            continue
        sort = sort_of(kind)
        if args.profile:
            profile = cProfile.Profile()
            profile.runcall(run, instance(kind, sort), sort, 200, True)
            pstats.Stats(profile).sort_stats("tottime").print_stats(15)
            continue
        try:
            bare, tracked = (rate(instance(kind, sort), sort, args.seconds, receipts) for receipts in (False, True))
        except Exception as error:  # noqa: BLE001 - said in its row
            rows.append({"operator": kind.__name__, "elements": sort, "failed": repr(error)[:60]})
            continue
        rows.append({"operator": kind.__name__, "elements": sort, "elements/s": bare, "with receipts": tracked})
    if rows:
        base = next(row for row in rows if row["operator"] == "Map")
        for row in rows:
            if "elements/s" in row:
                row["times map"] = base["with receipts"] / row["with receipts"]
                row["slow"] = "*" if row["times map"] > SLOW else ""
        rows.sort(key=lambda row: row.get("with receipts", 0.0))
        show(f"Operators, chunks of {CHUNK}", rows)
    if args.json:
        dump({"operators": rows}, args.json)


if __name__ == "__main__":
    main()

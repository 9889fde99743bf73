"""Hubs and topics: elements a second from a producer's run to those of its consumers, all on one loop, without and with receipts.

    python benchmarks/hubs.py [--elements N] [--rounds N]

With receipts every element is settled by all of its consumers, and its producer has heard of it; the clock stops then.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that this checkout is measured

from rt_edge.data.chunk import Chunk
from rt_edge.data.receipt import Marks, Origin, Outcome, Receipt
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.engine import Engine
from rt_edge.streams.host import AsyncioHost
from rt_edge.streams.hubs.broadcast_hub import BroadcastHub
from rt_edge.streams.hubs.from_hub import FromHub
from rt_edge.streams.hubs.hub import Hub
from rt_edge.streams.hubs.merge_hub import MergeHub
from rt_edge.streams.hubs.partition_hub import PartitionHub
from rt_edge.streams.hubs.to_hub import ToHub
from rt_edge.streams.pubsub.broker import Broker
from rt_edge.streams.pubsub.from_topic import FromTopic
from rt_edge.streams.pubsub.to_topic import ToTopic
from rt_edge.streams.stage import IN, OUT, Inlet, Outlet, Stage, StageLogic

ROWS = (("merge", 1), ("broadcast", 1), ("broadcast", 4), ("partition", 3), ("topic", 3))
SIZES = {1024: 1.0, 32: 0.25, 1: 0.04}
"""Elements of a chunk -> share of the elements that are sent so."""


class Count:
    """What has been settled, or has come."""

    def __init__(self, wanted: int) -> None:
        self.left = wanted
        self.done = asyncio.Event()

    def add(self, n: int) -> None:
        """So many more."""
        self.left -= n
        if self.left <= 0:
            self.done.set()

    def on_outcome(self, receipt: Receipt, marks: Marks, outcome: Outcome) -> None:
        self.add(len(marks))


class Feed(Stage, frozen=True, kw_only=True):
    """So many elements, in chunks of a size."""

    elements: int
    size: int
    settled: Count | None
    inlets = ()

    def create_logic(self) -> StageLogic:
        return _FeedLogic(self)


class _FeedLogic(StageLogic):
    def __init__(self, stage: Feed) -> None:
        self._stage = stage
        self._sent = 0
        self._origin = Origin("feed", "1")

    def on_pull(self, outlet: Outlet, n: int) -> None:
        n = min(n, self._stage.size, self._stage.elements - self._sent)
        if n <= 0:
            return
        settled = self._stage.settled
        receipt = None if settled is None else Receipt(range(self._sent, self._sent + n), settled, self._origin)
        self._sent += n
        self.push(OUT, Chunk(list(range(n)), receipt))
        if self._sent >= self._stage.elements:
            self.complete_stage()
        else:
            self.pull_again(OUT)


class Eat(Stage, frozen=True, kw_only=True):
    """Takes and settles everything."""

    eaten: Count
    outlets = ()

    def create_logic(self) -> StageLogic:
        return _EatLogic(self.eaten)


class _EatLogic(StageLogic):
    def __init__(self, eaten: Count) -> None:
        self._eaten = eaten

    def on_start(self) -> None:
        self.request(IN, 2**62)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self._eaten.add(len(chunk))
        chunk.settle()


def ends(kind: str) -> tuple[Any, Stage, Callable[[], Stage]]:
    """A hub, and its two sides."""
    if kind == "topic":
        broker = Broker()
        return broker, ToTopic(broker=broker, topic="a"), lambda: FromTopic(broker=broker, topics="a")
    hub: Hub = MergeHub(buffer=256) if kind == "merge" else BroadcastHub() if kind == "broadcast" else PartitionHub()
    return hub, ToHub(hub=hub), lambda: FromHub(hub=hub)


def start(source: Stage, target: Stage) -> None:
    """A run of two stages."""
    blueprint = Blueprint()
    blueprint.add(source, "source")
    blueprint.add(target, "target")
    blueprint.connect("source", "target", 0, 0)
    host = AsyncioHost()
    engine = Engine(blueprint, host)
    host.attach(engine)
    engine.start()


async def rate(kind: str, consumers: int, elements: int, size: int, tracked: bool) -> float:
    """Elements a second."""
    hub, into, out = ends(kind)
    eaten = Count(elements * (consumers if kind in {"broadcast", "topic"} else 1))
    settled = Count(elements) if tracked else None
    for _ in range(consumers):
        start(out(), Eat(eaten=eaten))
    gc.collect()
    begin = time.perf_counter()
    start(Feed(elements=elements, size=size, settled=settled), into)
    await eaten.done.wait()
    if settled is not None:
        await settled.done.wait()
    seconds = time.perf_counter() - begin
    hub.drain_and_complete()
    return elements / seconds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--elements", type=int, default=400_000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    sys.stdout.write("hub        consumers  chunk   bare M/s  with receipts M/s  times\n")
    for kind, consumers in ROWS:
        for size, share in SIZES.items():
            n = max(1000, int(args.elements * share * (0.15 if kind == "partition" else 1.0)))
            bare, tracked = (
                max(asyncio.run(rate(kind, consumers, n, size, way)) for _ in range(args.rounds)) / 1e6 for way in (False, True)
            )
            sys.stdout.write(f"{kind:10} {consumers:9} {size:6} {bare:10.3f} {tracked:18.3f} {bare / tracked:6.2f}\n")


if __name__ == "__main__":
    main()

"""Elements of two sources that alternate, over a wire between two islands: elements a second, signals and bytes.

    python benchmarks/woven_wire.py [--elements 20000]

Two sources with ledgers, a fan-in, the two ends of a wire, a sink that settles; both islands in one process, signals are encoded
and decoded as between processes. Processor time, so that a busy machine matters little.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections import Counter
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from time import process_time
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]


from rt_edge.data.chunk import Chunk  # noqa: E402
from rt_edge.data.reading import Reading  # noqa: E402
from rt_edge.data.receipt import Origin  # noqa: E402
from rt_edge.protocol.demand import UNBOUNDED  # noqa: E402
from rt_edge.protocol.signals import AnySignal, OnNext, decode_signals, encode_signals  # noqa: E402
from rt_edge.streams.blueprint import Blueprint  # noqa: E402
from rt_edge.streams.boundary.incoming import WireIn  # noqa: E402
from rt_edge.streams.boundary.outgoing import WireOut  # noqa: E402
from rt_edge.streams.engine import Engine  # noqa: E402
from rt_edge.streams.ledger import Ledger  # noqa: E402
from rt_edge.streams.stage import IN, OUT, Inlet, Outlet, Stage, StageLogic  # noqa: E402
from rt_edge.streams.stages.interleave import Interleave  # noqa: E402
from rt_edge.streams.stages.merge import Merge  # noqa: E402
from rt_edge.streams.stages.merge_sorted import MergeSorted  # noqa: E402
from rt_edge.testkit.virtual_clock import VirtualHost  # noqa: E402

CHUNK, WINDOW = 256, 1024
CASES: dict[str, Stage] = {
    "merge": Merge(2),
    "interleave, 10 each": Interleave(2, segment=10),
    "interleave, 1 each": Interleave(2, segment=1),
    "merge_sorted": MergeSorted(2, key=attrgetter("ts")),
}


class Feed(Stage, frozen=True):
    """Readings whose times alternate with those of the other source."""

    index: int
    elements: int
    inlets = ()

    def create_logic(self) -> StageLogic:
        """A logic with a ledger."""
        return _Feed(self.index, self.elements)


class _Feed(StageLogic):
    def __init__(self, index: int, elements: int) -> None:
        self._index, self._left, self._next = index, elements, 0
        self._ledger = Ledger(Origin(f"source{index}", "1"), 3, lambda _: self._emit(), lambda: None, lambda *_: None)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        self._emit()

    def _emit(self) -> None:
        n = min(self.demand(OUT), CHUNK, self._left, WINDOW - self._ledger.outstanding)
        if n > 0:
            first, self._next = self._next, self._next + n
            self._left -= n
            items = [Reading("device", 2 * number + self._index, {"value": number}) for number in range(first, self._next)]
            self.push(OUT, self._ledger.emit(items))
            self.pull_again(OUT)


class Drain(Stage, frozen=True):
    """Settles what comes, and counts it."""

    seen: Any
    outlets = ()

    def create_logic(self) -> StageLogic:
        """A logic that keeps nothing."""
        return _Drain(self.seen)


class _Drain(StageLogic):
    def __init__(self, seen: Counter[str]) -> None:
        self._seen = seen

    def on_start(self) -> None:
        self.request(IN, WINDOW)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self._seen["elements"] += len(chunk)
        self._seen["chunks"] += 1
        chunk.settle()
        self.request(IN, len(chunk))


class Post:
    """From one host to the other, through bytes."""

    def __init__(self, host: VirtualHost, seen: Counter[str]) -> None:
        self._host, self._seen = host, seen
        self.other: Post
        self.receive: Callable[[AnySignal], None]

    def register(self, wire: str, receive: Callable[[AnySignal], None]) -> None:
        self.receive = receive

    def send(self, signal: AnySignal) -> None:
        data = encode_signals([signal])
        self._seen["signals"] += isinstance(signal, OnNext)
        self._seen["bytes"] += len(data)
        self._host.soon(lambda: self.other.arrive(data))

    def arrive(self, data: bytes) -> None:
        """In the island of this end."""
        for signal in decode_signals(data):
            self.receive(signal)


def run(stage: Stage, elements: int) -> dict[str, Any]:
    """One case."""
    seen: Counter[str] = Counter()
    near = VirtualHost()
    far = VirtualHost(near.time)
    posts = Post(near, seen), Post(far, seen)
    posts[0].other, posts[1].other = posts[1], posts[0]
    out, into = Blueprint(), Blueprint()
    out.add(stage, "fan-in")
    for index in range(2):
        out.connect(out.add(Feed(index, elements // 2), f"feed{index}"), "fan-in", 0, index)
    out.connect("fan-in", out.add(WireOut(wire="w", post=posts[0]), "to"))
    into.connect(into.add(WireIn(wire="w", post=posts[1]), "from"), into.add(Drain(seen), "drain"))
    for blueprint, host in ((out, near), (into, far)):
        engine = Engine(blueprint, host)
        host.attach(engine)
        engine.start()
    gc.collect()
    gc.disable()
    began = process_time()
    for _ in range(UNBOUNDED):
        near.advance(0.01)
        if seen["elements"] >= elements - 2 * CHUNK:  # merge_sorted keeps the last of one until it knows the other's
            break
    took = process_time() - began
    gc.enable()
    n = seen["elements"]
    return {"elements/s": n / took, "signals/element": seen["signals"] / n, "bytes/element": seen["bytes"] / n}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--elements", type=int, default=20_000)
    options = parser.parse_args()
    for name, stage in CASES.items():
        best = max((run(stage, options.elements) for _ in range(3)), key=lambda row: row["elements/s"])
        print(
            f"{name:22} "
            + "  ".join(f"{what} {value:,.2f}" if value < 1000 else f"{what} {value:,.0f}" for what, value in best.items())
        )


if __name__ == "__main__":
    main()

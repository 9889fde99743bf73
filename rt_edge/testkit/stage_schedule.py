"""Random schedules for a stage between probes: what is sent, asked for, settled and waited for, in an order drawn by a seed."""

from __future__ import annotations

from random import Random
from typing import Any

from rt_edge.testkit.probes import SinkProbe, SourceProbe, StageBench

STEPS = 120
HOUR = 3600.0
"""Virtual time in which a stage that waits for time has to go on."""


def drive(bench: StageBench, inputs: list[list[Any]], random: Random, steps: int | None = None) -> None:
    """Send `inputs` under a random schedule until all sinks have ended, or only for so many `steps`."""
    rests = [list(items) for items in inputs]
    held = [0 for _ in bench.sinks]
    for _ in range(STEPS if steps is None else steps):
        if all(sink.ended for sink in bench.sinks):
            return
        _act(bench, rests, held, random)
    bench.host.settle()
    if steps is None:
        _drain(bench, rests, held, random)


def _act(bench: StageBench, rests: list[list[Any]], asked: list[int], random: Random) -> None:
    settle = random.random() < 0.4
    kind = random.randint(0, 9)
    if kind < 4 and bench.sources:
        index = random.randrange(len(bench.sources))
        _send(bench.sources[index], rests[index], random, settle)
    elif kind < 8:
        index = random.randrange(len(bench.sinks))
        _ask(bench.sinks[index], asked, index, random.choice([1, 2, 5, 50]), settle)
    elif kind == 8:
        _settle_one(random.choice(bench.sinks), random)
    else:
        bench.advance(random.choice([0.0, 0.01, 0.3]))


def _send(source: SourceProbe, rest: list[Any], random: Random, settle: bool) -> None:
    if source.ended:
        return
    if not rest:
        if random.random() < 0.3:
            source.complete(settle=settle)
        return
    n = min(random.choice([1, 3, 20]), source.demand, len(rest))
    if n:
        source.send(*rest[:n], settle=settle)
        del rest[:n]


def _ask(sink: SinkProbe, asked: list[int], index: int, n: int, settle: bool) -> None:
    if not sink.ended:
        asked[index] += n
        sink.request(n, settle=settle)


def _settle_one(sink: SinkProbe, random: Random) -> None:
    if sink.held:
        sink.held.pop(random.randrange(len(sink.held))).settle()


def _drain(bench: StageBench, rests: list[list[Any]], asked: list[int], random: Random) -> None:
    """Go on with small steps until all sinks have ended; check that the stage never waits without a reason."""
    for _ in range(10_000):
        for index, sink in enumerate(bench.sinks):
            if asked[index] <= len(sink.received):
                _ask(sink, asked, index, random.choice([1, 3]), settle=False)
        bench.advance(HOUR)
        if all(sink.ended for sink in bench.sinks):
            return
        opened = [sink for sink in bench.sinks if not sink.ended]
        all_ask = all(asked[i] > len(sink.received) for i, sink in enumerate(bench.sinks) if not sink.ended)
        asking = [source for source in bench.sources if not source.ended and source.demand]
        assert asking or not all_ask, f"{len(opened)} sinks wait, and no source is asked"
        for source, rest in zip(bench.sources, rests, strict=True):
            if not rest and not source.ended:
                source.complete(settle=False)
            else:
                _send(source, rest, random, settle=False)
    raise AssertionError("the stream does not come to an end")

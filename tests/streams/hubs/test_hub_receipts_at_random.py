"""Receipts through hubs under random schedules: producers and consumers that come, go, fail, are slow and settle late."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest

from rt_edge.data.chunk import Chunk
from rt_edge.data.receipt import STORED, Dropped, Failed, Outcome
from rt_edge.streams.hubs.broadcast_hub import BroadcastHub
from rt_edge.streams.hubs.from_hub import FromHub
from rt_edge.streams.hubs.merge_hub import MergeHub
from rt_edge.streams.hubs.partition_hub import PartitionHub
from rt_edge.streams.hubs.ports import SlowConsumer
from rt_edge.streams.hubs.to_hub import ToHub
from rt_edge.testkit.probes import SinkProbe, SourceProbe
from tests.streams.hubs.hub_world import World
from tests.streams.hubs.receipts import BAD, DEAD, GONE, MANY, die, nothing_is_left

__all__ = ["nothing_is_left"]


class Bustle:
    """Producers and consumers around a hub that come, go, fail, are slow and settle late, by a seed."""

    def __init__(self, kind: Any, seed: int) -> None:
        self.random = Random(seed)
        self.world = World(seed)
        self.kind = kind
        self.hub = kind(
            buffer=self.random.choice([2, 5, 20]),
            keep_open=True,
            window=self.random.choice([1, 3, 50]),
            unsettled=self.random.choice([4, 30, 1000]),
        )
        self.sources: list[SourceProbe] = []
        self.sinks: list[SinkProbe] = []
        self.stopped: list[SourceProbe] = []
        self.given: dict[int, list[Outcome]] = {}

    def play(self, steps: int) -> None:
        for _ in range(steps):
            self.act(self.random.randint(0, 11))
            self.check()

    def act(self, kind: int) -> None:
        live = [sink for sink in self.sinks if not sink.ended and not sink.logic.seat.stopped]
        if kind < 4:
            self.come_or_go(kind, live)
        elif kind < 7:
            for source in self.sources:
                if not source.ended and source not in self.stopped and source.demand:
                    first = 1000 * self.sources.index(source) + len(source.sent)
                    n = self.random.randint(1, min(5, source.demand))
                    source.send(*range(first, first + n), settle=self.random.random() < 0.5)
        elif kind < 9:
            for sink in live:
                sink.request(self.random.randint(1, 9), settle=self.random.random() < 0.5)
        else:
            for sink in self.sinks:
                if sink.held and self.random.random() < 0.7:
                    self.settle(sink, sink.held.pop(self.random.randrange(len(sink.held))))

    def come_or_go(self, kind: int, live: list[SinkProbe]) -> None:
        random, hub = self.random, self.hub
        if kind == 0 and hub.producers < min(4, hub.producers_most):
            self.sources.append(self.world.into(ToHub(hub=hub)))
        elif kind == 1 and len(hub.consumers) < min(4, hub.consumers_most):
            overflow = random.choice(["backpressure"] * 4 + ["drop_head", "drop_tail", "drop_buffer", "drop_new", "fail"])
            self.sinks.append(self.world.out_of(FromHub(hub=hub, slow=SlowConsumer(overflow=overflow)), keep=True))
        elif kind == 2 and live and random.random() < 0.5:
            self.go(random.choice(live))
        elif kind == 3 and self.sources and random.random() < 0.3:
            source = random.choice(self.sources)
            if source.ended or source in self.stopped:
                return
            if random.random() < 0.5:
                source.complete()
            else:
                self.stopped.append(source)
                self.world.stop(source)

    def go(self, sink: SinkProbe) -> None:
        """Three ways: it wants no more and settles what it has later; it fails; or it dies with all that it has."""
        way = self.random.randint(0, 2)
        if way < 2:
            sink.cancel(None if way else DEAD)
        else:
            for chunk in sink.held:
                self.note(chunk, Failed(DEAD))
            die(self.world, sink)

    def settle(self, sink: SinkProbe, chunk: Chunk) -> None:
        if len(chunk) > 1 and self.random.random() < 0.5:
            chunk, rest = chunk.cut(self.random.randrange(1, len(chunk)))
            sink.held.append(rest)
        outcome = self.random.choice([STORED, STORED, STORED, GONE, BAD])
        self.note(chunk, outcome)
        chunk.outcome(outcome)
        if self.random.random() < 0.5:
            self.world.settle()

    def note(self, chunk: Chunk, outcome: Outcome) -> None:
        for item in chunk.items:
            self.given.setdefault(item, []).append(outcome)

    def check(self) -> None:
        """The bounds hold, and what a consumer still has is open, unless its producer has stopped."""
        held = [item for sink in self.sinks for chunk in sink.held for item in chunk.items]
        for sink in self.sinks:
            assert sum(len(chunk) for chunk in sink.held) <= self.hub.window
        for item in held:
            source = self.sources[item // 1000]
            assert source in self.stopped or item % 1000 not in source.outcomes.by_mark, f"{item} is open, and has an outcome"

    def end(self) -> None:
        """Let all be taken and settled."""
        world = self.world
        for _ in range(3000):
            if not self.hub.consumers:
                self.sinks.append(world.out_of(FromHub(hub=self.hub), keep=True))
            for sink in self.sinks:
                if not sink.ended and not sink.logic.seat.stopped:
                    sink.request(MANY)
                for chunk in sink.held:
                    self.note(chunk, STORED)
                sink.settle_all()
            world.settle()
            if not self.hub._open and not any(sink.held for sink in self.sinks) and not any(map(slots, self.sources)):
                break
        for source in self.sources:
            if not source.ended and source not in self.stopped:
                source.complete()
        self.hub.drain_and_complete()
        world.settle()

    def account(self) -> None:
        """Each element has one outcome, and it is the one that its consumers gave."""
        for place, source in enumerate(self.sources):
            outcomes = source.outcomes
            assert not outcomes.again
            assert len(outcomes.by_mark) == len(source.sent), (
                f"no outcome: {set(range(len(source.sent))) - set(outcomes.by_mark)}"
            )
            if source in self.stopped:
                continue
            for mark, outcome in outcomes.by_mark.items():
                given = self.given.get(1000 * place + mark, [])
                self.account_for(1000 * place + mark, outcome, given)

    def account_for(self, item: int, outcome: Outcome, given: list[Outcome]) -> None:
        if outcome is STORED:
            assert STORED in given, f"{item} counts as stored, its consumers said {given}"
            failed = [o for o in given if isinstance(o, Failed)]
            assert not failed or (self.kind is PartitionHub and all(o.error is DEAD or o is BAD for o in failed))
        elif isinstance(outcome, Dropped):
            assert STORED not in given
            assert outcome.reason in {"unwanted", "overflow", "consumer_left", "cancelled"}, outcome
        else:
            assert outcome.error is DEAD or BAD in given, f"{item} failed: {outcome}, its consumers said {given}"


def slots(source: SourceProbe) -> int:
    """Elements that wait in front of a hub."""
    wire = source.logic.seat.outs[0]
    return len(wire.slot) if wire.slot is not None else 0


@pytest.mark.parametrize("kind", [MergeHub, BroadcastHub, PartitionHub])
@pytest.mark.parametrize("block", range(4))
def test_every_element_has_the_outcome_of_its_consumers_when_all_come_and_go(kind: Any, block: int) -> None:
    """Whatever the schedule: one outcome each, the worst that was given, never before; bounds hold, nothing is left behind."""
    kinds: Counter[str] = Counter()
    for seed in range(block * 15, block * 15 + 15):
        bustle = Bustle(kind, seed)
        try:
            bustle.play(400)
            bustle.end()
            bustle.account()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        assert bustle.hub._open == 0
        kinds.update(type(outcome).__name__ for source in bustle.sources for outcome in source.outcomes.by_mark.values())
        kinds.update(bustle.hub.counters)
    assert min(kinds["Stored"], kinds["Dropped"], kinds["Failed"]) > 30
    assert kinds["handed_on"] > 50 or kind is not PartitionHub

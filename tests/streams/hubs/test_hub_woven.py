"""Elements of several origins in one chunk, through a hub: each consumer knows each by its own, and outcomes go there."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.chunk import Chunk
from rt_edge.data.receipt import Origin, Receipt
from rt_edge.data.weave import identities, weave
from rt_edge.streams.hubs.broadcast_hub import BroadcastHub
from rt_edge.streams.hubs.from_hub import FromHub
from rt_edge.streams.hubs.hub import Hub
from rt_edge.streams.hubs.merge_hub import MergeHub
from rt_edge.streams.hubs.partition_hub import PartitionHub
from rt_edge.streams.hubs.to_hub import ToHub
from rt_edge.streams.routing.strategy import RoundRobin
from rt_edge.streams.stage import OUT
from rt_edge.testkit.probes import Outcomes, SinkProbe, SourceProbe
from tests.streams.hubs.hub_world import World
from tests.streams.hubs.receipts import MANY, nothing_is_left

__all__ = ["nothing_is_left"]


def woven_of(heard: dict[str, Outcomes], first: int) -> Chunk:
    """plc n, rtu n, plc n + 1, rtu n + 1; elements are called like their origin and mark."""
    parts = [
        Chunk([f"{name} {n}" for n in (first, first + 1)], Receipt([first, first + 1], outcomes, Origin(name, "1")))
        for name, outcomes in heard.items()
    ]
    return weave(parts, [0, 1, 0, 1])


def push(world: World, source: SourceProbe, *chunks: Chunk) -> None:
    """One after the other."""
    logic = source.logic
    for chunk in chunks:
        logic.seat.engine.enter(logic.seat, lambda chunk=chunk: logic.push(OUT, chunk))
        world.settle()


def names(sink: SinkProbe, branch: str = "") -> list[str]:
    """What a consumer knows its elements by."""
    found = []
    for chunk in sink.held:
        for origin, mark in identities(chunk):
            assert origin is not None
            assert origin.name.endswith(branch)
            found.append(f"{origin.name.removesuffix(branch)} {mark}")
    return found


@pytest.mark.parametrize("hub", [MergeHub(), PartitionHub(RoundRobin())], ids=lambda hub: type(hub).__name__)
def test_consumer_knows_each_by_its_own_origin_when_chunks_are_woven(hub: Hub) -> None:
    """Pieces of two chunks have places that follow each other, and are not of one origin for it."""
    world, heard = World(), {"plc": Outcomes(), "rtu": Outcomes()}
    sink, source = world.out_of(FromHub(hub=hub), keep=True), world.into(ToHub(hub=hub))
    head, tail = woven_of(heard, 0).cut(2)
    other_head, other_tail = woven_of(heard, 10).cut(2)
    push(world, source, head, other_tail, tail, other_head)
    sink.request(MANY)
    assert sink.received == names(sink)
    assert sorted(names(sink)) == sorted(f"{name} {n}" for name in heard for n in (0, 1, 10, 11))
    failed: list[Any] = []
    for chunk in sink.held:
        last = chunk.take([len(chunk) - 1])
        failed += last.items
        last.fail(ValueError())
        chunk.settle()
    sink.held.clear()
    world.settle()
    for name, outcomes in heard.items():
        assert not outcomes.again
        assert sorted(outcomes.by_mark) == [0, 1, 10, 11]
        assert [f"{name} {n}" for n in outcomes.failed()] == sorted(item for item in failed if item.startswith(name))


def test_each_consumer_has_a_branch_of_each_origin_when_chunks_are_woven() -> None:
    """The worst outcome of an element counts, and goes to its own origin."""
    world, hub, heard = World(), BroadcastHub(), {"plc": Outcomes(), "rtu": Outcomes()}
    sinks = [world.out_of(FromHub(hub=hub), keep=True) for _ in range(2)]
    source = world.into(ToHub(hub=hub))
    for sink in sinks:
        sink.request(MANY)
    push(world, source, woven_of(heard, 0))
    suffixes = []
    for sink in sinks:
        (chunk,) = sink.held
        origin, _ = next(iter(identities(chunk)))
        assert origin is not None
        suffixes.append(origin.name.removeprefix("plc"))
        assert names(sink, suffixes[-1]) == sink.received == ["plc 0", "rtu 0", "plc 1", "rtu 1"]
    assert len(set(suffixes)) == 2
    sinks[0].held.pop().settle()
    assert not heard["plc"].by_mark
    chunk = sinks[1].held.pop()
    chunk.take([1]).fail(ValueError())
    chunk.settle()
    world.settle()
    assert (heard["plc"].stored(), heard["rtu"].failed(), heard["rtu"].stored()) == ([0, 1], [0], [1])

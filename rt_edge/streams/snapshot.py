"""Snapshot: how a running engine stands, as plain data: its graph nodes, its wires, and who waits for whom.

To be taken in the engine's thread; cheap enough for `status`, not for every turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rt_edge.streams.nested.nest import Nest
from rt_edge.streams.stuck import Wait, waits_on

if TYPE_CHECKING:
    from rt_edge.streams.engine import Engine
    from rt_edge.streams.seat import Seat
    from rt_edge.streams.wire import Wire

NESTED = 16
"""Substreams of a graph node that are shown, at most; the oldest."""


class WireSnapshot(msgspec.Struct, frozen=True):
    """A wire.

    Attributes:
        name: `node.port>node.port`.
        demand: elements asked for by the inlet and not delivered.
        waiting: elements in its slot.
        passed: elements delivered so far.
        chunks: chunks delivered so far.
        out_closed: the outlet said its last word, or was told of the cancel.
        in_closed: the inlet cancelled, or heard the last word.
    """

    name: str
    demand: int
    waiting: int
    passed: int
    chunks: int
    out_closed: bool
    in_closed: bool


class NodeSnapshot(msgspec.Struct, frozen=True):
    """A graph node.

    Attributes:
        name: as in the graph.
        label: its kind, or what the graph calls such a stage.
        stopped: it has said its last word.
        timers: that are set.
        tasks: that run for it outside the engine.
        counters: name -> count.
        substreams: how many run in it.
        nested: the first of them.
    """

    name: str
    label: str
    stopped: bool
    timers: int
    tasks: int
    counters: dict[str, int]
    substreams: int = 0
    nested: tuple[EngineSnapshot, ...] = ()


class EngineSnapshot(msgspec.Struct, frozen=True):
    """An engine.

    Attributes:
        nodes: in the order of the graph.
        wires: in the order of the graph.
        running: whether a stage still runs.
        error: what the first stage failed with, as text.
        waits: who waits for what, where it comes to an end; see `rt_edge.streams.stuck`.
    """

    nodes: tuple[NodeSnapshot, ...]
    wires: tuple[WireSnapshot, ...]
    running: bool
    error: str
    waits: tuple[Wait, ...]


def snapshot(engine: Engine, depth: int = 3) -> EngineSnapshot:
    """How `engine` stands now, with substreams of substreams as deep as `depth`; in its thread, between turns."""
    return EngineSnapshot(
        nodes=tuple(_node(seat, depth) for seat in engine.seats.values()),
        wires=tuple(_wire(wire) for wire in engine.wires),
        running=any(not seat.stopped for seat in engine.seats.values()),
        error="" if engine.error is None else repr(engine.error),
        waits=waits_on(engine),
    )


def _node(seat: Seat, depth: int) -> NodeSnapshot:
    nest = getattr(seat.logic, "nest", None)
    engines = nest.engines() if isinstance(nest, Nest) and not seat.stopped else []
    return NodeSnapshot(
        name=seat.name,
        label=seat.stage.label,
        stopped=seat.stopped,
        timers=seat.context.timers,
        tasks=seat.context.tasks,
        counters=dict(seat.counters),
        substreams=len(engines),
        nested=tuple(snapshot(inner, depth - 1) for inner in engines[:NESTED]) if depth > 0 else (),
    )


def _wire(wire: Wire) -> WireSnapshot:
    return WireSnapshot(
        name=wire.name,
        demand=wire.demand,
        waiting=wire.buffered,
        passed=wire.passed,
        chunks=wire.chunks,
        out_closed=wire.out_closed,
        in_closed=wire.in_closed,
    )

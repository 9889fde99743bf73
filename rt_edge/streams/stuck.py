"""Stuck: where a stream waits when nothing moves, and for what.

Each graph node waits for an element (it has asked, and none comes) or for demand (it was not asked). From the ends of the graph
one follows who waits for whom, until somebody waits for nobody in the graph. That one is named, with what it waits for:

    element   a source was asked and gives nothing: its device, its window, its other side
    demand    a sink, or what stands for the outside, asks for nothing
    time      it was asked, asks nobody, and has timers: a throttle, a window, a backoff
    work      it was asked, asks nobody, and has work running outside: a coroutine, a thread
    nothing   it was asked, asks nobody, and waits for nothing that can be seen: a fault of the stage
    cycle     nodes that wait for each other: a deadlock
    turn      there is work, and the host does not run the engine
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import msgspec

from rt_edge.streams.nested.mold import ENTRY
from rt_edge.streams.nested.nest import Nest

if TYPE_CHECKING:
    from rt_edge.streams.engine import Engine
    from rt_edge.streams.host import Host
    from rt_edge.streams.seat import Seat

For = Literal["element", "demand", "time", "work", "nothing", "cycle", "turn"]

INNER = 64
"""Substreams of a graph node that are looked into, at most; the oldest."""


class Wait(msgspec.Struct, frozen=True):
    """One who waits for nobody else in the graph.

    Attributes:
        node: the graph node; `parent/node` inside a substream.
        waits_for: see the module.
        text: in words.
        path: from an end of the graph to the node, each waiting for the next.
    """

    node: str
    waits_for: For
    text: str
    path: tuple[str, ...]


def waits_on(engine: Engine) -> tuple[Wait, ...]:
    """Who waits for nobody else, seen from each end of the graph that still runs; empty when all has stopped."""
    found: dict[tuple[str, str], Wait] = {}
    for seat in engine.seats.values():
        if not seat.stopped and not seat.outs:
            _follow(seat, (), found)
    if not found:
        for seat in engine.seats.values():
            if not seat.stopped:
                _follow(seat, (), found)
    return tuple(found.values())


def _follow(start: Seat, path: tuple[str, ...], found: dict[tuple[str, str], Wait]) -> None:
    """Go on from node to node without recursion: the graph may be long."""
    seen: set[str] = set()
    todo: list[tuple[Seat, tuple[str, ...]]] = [(start, path)]
    while todo:
        seat, way = todo.pop()
        if seat.name in way:
            circle = way[way.index(seat.name) :]
            key = min(circle)
            text = f"{' > '.join((*circle, seat.name))}: each waits for the next"
            found.setdefault((key, "cycle"), Wait(key, "cycle", text, (*way, seat.name)))
            continue
        if seat.name in seen:
            continue
        way = (*way, seat.name)
        then = _next(seat)
        if then:
            for wait in _inner(seat, way):
                found.setdefault((wait.node, wait.waits_for), wait)
        if any(other.name not in way for other in then):
            seen.add(seat.name)
        if then:
            todo += [(other, way) for other in then]
        else:
            for wait in _named(seat, way):
                found.setdefault((wait.node, wait.waits_for), wait)


def _next(seat: Seat) -> list[Seat]:
    """For whom a node waits: those it has asked, or, if it asks nobody, those that do not ask it."""
    asked = [wire.source for wire in seat.ins if wire.demand > 0 and wire.slot is None and not wire.out_closed]
    if asked:
        return asked
    return [wire.target for wire in seat.outs if not wire.out_closed and wire.demand == 0 and not wire.in_closed]


def _named(seat: Seat, way: tuple[str, ...]) -> list[Wait]:
    """What a node waits for that waits for no other."""
    inner = _inner(seat, way)
    if inner:
        return inner
    what, text = _reason(seat)
    return [Wait(seat.name, what, f"{seat.name} {text}", way)]


def _inner(seat: Seat, way: tuple[str, ...]) -> list[Wait]:
    """Who waits in its substreams; each node once, however many substreams there are."""
    nest = getattr(seat.logic, "nest", None)
    if not isinstance(nest, Nest):
        return []
    found: dict[tuple[str, str], Wait] = {}
    for engine in nest.engines()[:INNER]:
        for wait in waits_on(engine):
            if wait.node != f"{seat.name}/{ENTRY}":  # that one waits for the parent, and the parent is looked at anyway
                found.setdefault((wait.node, wait.waits_for), msgspec.structs.replace(wait, path=(*way, *wait.path)))
    return list(found.values())


def _reason(seat: Seat) -> tuple[For, str]:
    wanted = sum(wire.demand for wire in seat.outs)
    waiting = sum(wire.buffered for wire in seat.ins)
    if any(wire.queued for wire in (*seat.ins, *seat.outs)):
        return "turn", "has work, but the engine is not run"
    if not seat.outs:
        return "demand", f"asks for nothing; {waiting} elements wait in front of it"
    timers, tasks = seat.context.timers, seat.context.tasks
    if timers and seat.ins:
        return "time", f"was asked for {wanted} elements and waits for time ({timers} timers)"
    if tasks:
        return "work", f"was asked for {wanted} elements and waits for work outside ({tasks} tasks)"
    if not seat.ins:
        return "element", f"was asked for {wanted} elements and gives none"
    return "nothing", f"was asked for {wanted} elements, asks for none itself, and waits for nothing that can be seen"


class Stuck(msgspec.Struct, frozen=True):
    """A stream in which nothing moves.

    Attributes:
        since: monotonic time of the last movement.
        seconds: how long ago that was.
        waits: who waits for what.
    """

    since: float
    seconds: float
    waits: tuple[Wait, ...]

    def __str__(self) -> str:
        return f"nothing moved for {self.seconds:.3g} s: " + "; ".join(wait.text for wait in self.waits)


class StuckDetector:
    """Sees when no wire of an engine has moved for a time, those of substreams included.

    It does nothing by itself: `look` is called in the engine's thread, as often as one wants to know (`watch` does it).

    Args:
        engine: which.
        seconds: how long nothing has to move.
    """

    def __init__(self, engine: Engine, seconds: float) -> None:
        self._engine = engine
        self._seconds = seconds
        self._mark: tuple[int, int] | None = None
        self._since = 0.0
        self._had_work = False

    def look(self, now: float) -> Stuck | None:
        """Whether it is stuck at `now` (monotonic seconds), and where; None while it moves, or when it has ended."""
        mark = _movement(self._engine)
        if mark != self._mark:
            self._mark, self._since = mark, now
        if now - self._since < self._seconds or all(seat.stopped for seat in self._engine.seats.values()):
            return None
        waits = waits_on(self._engine)
        had_work, self._had_work = self._had_work, any(wait.waits_for == "turn" for wait in waits)
        if self._had_work and not had_work:
            return None  # it has just been given work; were it not run, that would be so at the next look
        return Stuck(self._since, now - self._since, waits)


def watch(engine: Engine, host: Host, seconds: float, report: Callable[[Stuck | None], None]) -> Callable[[], None]:
    """Look twice in `seconds`; `report` hears when the stream is stuck, or stuck elsewhere, and None when it moves again.

    Returns a function that ends it; it ends by itself with the engine. In the engine's thread.
    """
    detector = StuckDetector(engine, seconds)
    told: tuple[tuple[str, str], ...] | None = None
    timer: Callable[[], None] = lambda: None  # noqa: E731 - replaced below

    def look() -> None:
        nonlocal told, timer
        stuck = detector.look(host.clock.monotonic())
        where = None if stuck is None else tuple((wait.node, wait.waits_for) for wait in stuck.waits)
        if where != told:
            told = where
            report(stuck)
        if any(not seat.stopped for seat in engine.seats.values()):
            timer = host.later(seconds / 2, look)

    def end() -> None:
        timer()

    look()
    return end


def _movement(engine: Engine) -> tuple[int, int]:
    """Changes whenever a chunk was delivered or a wire ended."""
    return sum(wire.chunks + wire.out_closed + wire.in_closed for wire in engine.wires), sum(
        _nested_movement(seat) for seat in engine.seats.values()
    )


def _nested_movement(seat: Seat) -> int:
    nest = getattr(seat.logic, "nest", None)
    if not isinstance(nest, Nest) or seat.stopped:
        return 0
    return nest.moves

"""Nest: the substreams of one logic, and the host on which they run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import StreamError
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.host import Host
from rt_edge.streams.nested.boundary import PUSH, Event, Events
from rt_edge.streams.nested.mold import Mold
from rt_edge.streams.nested.substream import Substream

if TYPE_CHECKING:
    from rt_edge.data.clock import Clock
    from rt_edge.streams.engine import Engine
    from rt_edge.streams.stage import StageContext

TURN_VISITS = 1000
"""Wires visited in one turn of a nest, about; then the host gets the thread back."""

SLICE = 32
"""Wires visited in one substream before others have their turn, at least."""

MAX_DEPTH = 32
"""How deep streams may be nested."""

LINGERING = 64
"""Substreams whose outlet has ended and of which a branch still runs; the oldest of more is stopped."""

MOST = 1_000_000
"""Substreams and events of a nest; what parents ask for is far below."""


class Parent(Protocol):
    """The logic that has a nest; told in the nest's turns, when its substreams rest."""

    ctx: StageContext
    seat: Any

    def sub_pushed(self, sub: Substream, chunk: Chunk) -> None:
        """`chunk` came out of `sub`; it is now the parent's."""
        ...

    def sub_pulled(self, sub: Substream) -> None:
        """`sub.wanted` has grown."""
        ...

    def sub_cancelled(self, sub: Substream, cause: BaseException | None) -> None:
        """`sub` wants nothing any more; it may still emit."""
        ...

    def sub_ended(self, sub: Substream, error: BaseException | None) -> None:
        """`sub` has ended, and is forgotten."""
        ...

    def nest_turned(self, rested: bool) -> None:
        """A turn of the nest is over; `rested`: all have done what they can without time, demand or elements."""
        ...


class Nest:
    """The substreams of one run of a logic.

    Args:
        parent: whose they are.

        hears_pulls: whether the parent does anything about `sub_pulled`.

    Attributes:
        waiting: elements that wait in front of all substreams.
        counters: the parent's.
        events: what substreams said and the parent was not told of.
        moves: grows whenever something moves in a substream or between it and its parent.
    """

    def __init__(self, parent: Parent, hears_pulls: bool = True) -> None:
        self._parent = parent
        self._host: Host = parent.seat.engine.host
        self._depth = 1 + (self._host.depth if isinstance(self._host, NestHost) else 0)
        self._root: Host = self._host.root if isinstance(self._host, NestHost) else self._host
        if self._depth > MAX_DEPTH:
            raise StreamError(f"{parent.ctx.name}: streams are nested more than {MAX_DEPTH} deep")
        self.counters: dict[str, int] = parent.seat.counters
        self.hears_pulls = hears_pulls
        self.waiting = 0
        self.moves = 0
        self._live: dict[Substream, None] = {}
        self._lingering: deque[Substream] = deque(maxlen=LINGERING + 1)
        self._ready: deque[NestHost] = deque(maxlen=MOST)
        self.events: Events = deque(maxlen=MOST)
        self._mold: Mold | None = None
        self._scheduled = self._turning = self._closed = False

    def __len__(self) -> int:
        return len(self._live)

    def __iter__(self) -> Any:
        return iter(list(self._live))

    def first(self) -> list[Substream]:
        """The oldest, if there is one."""
        return [next(iter(self._live))] if self._live else []

    def start(self, part: Blueprint, key: Any = None, inlets: int = 0, outlets: int = 1, room: int = 0) -> Substream:
        """Run `part` from now on.

        Args:
            part: with so many open ports.
            key: see `Substream`.
            inlets: 1 for a flow or a sink.
            outlets: 0 for a sink.
            room: chunks that may wait in front of it; at least 1024 may.

        Raises:
            ConfigError: other ports are open.
        """
        mold = self._mold
        if mold is None or not mold.fits(part):
            mold = self._mold = Mold(part, inlets, outlets, self._parent.ctx.name)
        sub = Substream(self, mold, NestHost(self, self._root, self._depth), key, room)
        self._live[sub] = None
        return sub

    def stop(self, error: BaseException | None) -> None:
        """Stop all; for the parent's `on_stop`."""
        self._closed = True
        for sub in [*self._live, *self._lingering]:
            sub.halt(error)
        self._live.clear()
        self._lingering.clear()
        self._ready.clear()
        while self.events:
            _, event, chunk = self.events.popleft()
            if event is PUSH:
                chunk.drop("cancelled") if error is None else chunk.fail(error)

    def residue(self) -> list[tuple[Substream, Chunk]]:
        """What all substreams hold, oldest first, each with its substream; they are stopped."""
        held = []
        for sub in self:
            held += [(sub, chunk) for chunk in self.take_pushed(sub)]
            held += [(sub, chunk) for chunk in sub.drain()]
            held += [(sub, chunk) for chunk in self.take_pushed(sub)]
            self.forget(sub)
        return held

    # -- for substreams and their hosts ------------------------------------------------------------------------------------

    def note(self, sub: Substream, event: Event, what: Any) -> None:
        """To be told to the parent when the substreams rest."""
        self.events.append((sub, event, what))

    def take_pushed(self, sub: Substream) -> list[Chunk]:
        """Chunks of `sub` the parent was not told of so far, which it will not be."""
        events = self.events
        chunks = [what for source, event, what in events if source is sub and event is PUSH]
        if chunks:
            others = [said for said in events if said[0] is not sub or said[1] is not PUSH]
            events.clear()
            events.extend(others)
        return chunks

    def forget(self, sub: Substream) -> None:
        """It has ended for the parent."""
        self._live.pop(sub, None)
        sub.ended = True

    def engines(self) -> list[Engine]:
        """Those of the substreams that run, oldest first; for who looks at them."""
        return [sub.host.engine for sub in self._live]

    def enqueue(self, host: NestHost) -> None:
        """A substream has work."""
        self.moves += 1
        if not self._closed:
            self._ready.append(host)
            if not self._scheduled and not self._turning:
                self.look()

    def look(self) -> None:
        """Have a turn soon."""
        if not self._scheduled and not self._turning and not self._closed:
            self._scheduled = True
            self._parent.ctx.soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        self._turning = True
        budget = TURN_VISITS
        ready, events, parent = self._ready, self.events, self._parent
        try:
            while not self._closed:
                if events:
                    sub, event, what = events.popleft()
                    if event is not PUSH:
                        self._tell(sub, event, what)
                    elif sub.ended:
                        what.drop("cancelled")
                    else:
                        parent.sub_pushed(sub, what)
                elif ready and budget > 0:
                    share = max(SLICE, budget // len(ready))
                    host = ready.popleft()
                    host.queued = False
                    if host.engine.run(share):
                        host.wake()
                    budget -= max(1, share - host.engine.unused)
                else:
                    break
        finally:
            self._turning = False
        if ready or events:
            self.look()
        if not self._closed:
            self._parent.nest_turned(not self._ready)

    def _tell(self, sub: Substream, event: Event, what: Any) -> None:
        parent = self._parent
        if sub.ended:
            return
        if event is Event.PULL:
            parent.sub_pulled(sub)
        elif event is Event.CANCEL:
            parent.sub_cancelled(sub, what)
        else:
            self.forget(sub)
            if sub.live():
                self._lingering.append(sub)
                if len(self._lingering) > LINGERING:
                    self._lingering.popleft().halt(None)
            parent.sub_ended(sub, what)


class NestHost:
    """The host of one substream: its parent's, but turns come from the nest.

    Attributes:
        clock: the parent's.
        root: the host that the outermost engine runs on.
        depth: of nesting.
        engine: of the substream.
        queued: it waits for a turn.
    """

    __slots__ = ("_nest", "clock", "depth", "engine", "queued", "root")

    def __init__(self, nest: Nest, root: Host, depth: int) -> None:
        self.clock: Clock = root.clock
        self.root = root
        self.depth = depth
        self.engine: Engine
        self.queued = False
        self._nest = nest

    def wake(self) -> None:
        """A turn, soon."""
        if not self.queued:
            self.queued = True
            self._nest.enqueue(self)

    def soon(self, function: Callable[[], None]) -> None:
        """By the root."""
        self.root.soon(function)

    def later(self, seconds: float, function: Callable[[], None]) -> Callable[[], None]:
        """By the root."""
        return self.root.later(seconds, function)

    def spawn(self, work: Coroutine[Any, Any, Any], done: Callable[[Any, BaseException | None], None]) -> Callable[[], None]:
        """By the root."""
        return self.root.spawn(work, done)

    def threadsafe(self, function: Callable[[], None]) -> None:
        """By the root."""
        self.root.threadsafe(function)

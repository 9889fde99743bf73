"""Substream: one run of a part inside a stage, as its parent sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.engine import Engine
from rt_edge.streams.nested.boundary import EntryLogic, Event, ExitLogic

if TYPE_CHECKING:
    from rt_edge.streams.nested.mold import Mold
    from rt_edge.streams.nested.nest import Nest, NestHost
    from rt_edge.streams.wire import Wire

DRAIN_ROUNDS = 64
"""Chunks a flow may give while it is drained."""


class Substream:
    """One run of a part.

    Made by `Nest.start`. It lives until its outlet has ended, for a sink until its inlet is cancelled or all of it has
    stopped; then the parent hears `sub_ended`, once.

    Attributes:
        key: whatever the parent wants to know it by.
        ended: the parent has heard `sub_ended`, or has stopped it.
        waiting: elements that were sent and that it does not want yet.
    """

    __slots__ = ("_engine", "_entry", "_exit", "_inward", "_nest", "_outward", "ended", "host", "key", "waiting")

    def __init__(self, nest: Nest, mold: Mold, host: NestHost, key: Any, room: int) -> None:
        self._nest = nest
        self.host = host
        self.key = key
        self.ended = False
        self.waiting = 0
        engine = Engine(mold.blueprint, host, None if mold.exit else self._sink_done, checked=True)
        self._engine = host.engine = engine
        for seat in engine.seats.values():
            seat.counters = nest.counters
        engine.start()
        self._entry: EntryLogic | None = None
        self._exit: ExitLogic | None = None
        self._inward: Wire  # behind the entry
        self._outward: Wire  # in front of the exit
        if mold.entry:
            entry = engine.seats[mold.entry].logic
            assert isinstance(entry, EntryLogic)
            entry.attach(self, room)
            self._entry = entry
            self._inward = entry.seat.outs[0]
        if mold.exit:
            exit_ = engine.seats[mold.exit].logic
            assert isinstance(exit_, ExitLogic)
            exit_.attach(self, nest.events)
            self._exit = exit_
            self._outward = exit_.seat.ins[0]

    # -- for the parent --------------------------------------------------------------------------------------------------

    def send(self, chunk: Chunk, whole: bool = False) -> bool:
        """Feed it; what it does not want yet waits. False: it takes nothing any more, and `chunk` is still the parent's.

        Args:
            chunk: for its inlet.
            whole: all of it waits for the substream's turn where not all of it is wanted: for a parent that has just asked for
                so much more. Else it is cut, and what is wanted goes first.
        """
        entry = self._entry
        if entry is None or self.ended or entry.finished or entry.seat.stopped:
            return False
        wire = self._inward
        if wire.slot is None and len(chunk.items) <= wire.announced and not entry.box.elements:
            self._engine.push(wire, chunk)  # it is wanted: what most chunks are, so that it is worth to go no further about it
            self.host.wake()
        else:
            self._engine.enter(entry.seat, entry.put_whole if whole else entry.put, chunk)
        return True

    def finish(self, error: BaseException | None = None) -> None:
        """No more will be sent."""
        entry = self._entry
        if entry is not None and not entry.finished:
            self._engine.enter(entry.seat, entry.finish, error)

    def request(self, n: int) -> None:
        """Ask for `n` more elements."""
        exit_ = self._exit
        if exit_ is not None and n > 0 and not exit_.seat.stopped:
            self._engine.request(self._outward, n)
            self.host.wake()

    def drop_head(self, n: int, reason: str) -> None:
        """Drop the `n` oldest of what waits, counted."""
        if self._entry is not None:
            self._engine.enter(self._entry.seat, self._entry.drop_head, n, reason)

    def stop(self, error: BaseException | None = None) -> None:
        """End it now: what it holds is dropped, or failed with `error`. The parent does not hear of it."""
        for chunk in self._nest.take_pushed(self):
            chunk.drop("cancelled") if error is None else chunk.fail(error)
        self._nest.forget(self)
        self.halt(error)

    @property
    def requested(self) -> int:
        """Elements asked for and not yet arrived."""
        return self._outward.demand if self._exit is not None else 0

    @property
    def wanted(self) -> int:
        """Elements it wants to be sent, beyond what waits."""
        entry = self._entry
        if entry is None or entry.finished or entry.box.chunks:
            return 0
        wire = self._inward
        return wire.announced if wire.slot is None and not wire.out_closed else 0

    # -- for the nest and the ends ---------------------------------------------------------------------------------------

    def halt(self, error: BaseException | None) -> None:
        """Stop all of it."""
        self.ended = True
        self._engine.stop(error)

    def live(self) -> bool:
        """Whether a stage of it still runs."""
        return any(not seat.stopped for seat in self._engine.seats.values())

    def drain(self) -> list[Chunk]:
        """What it would still emit if it were ended now, then what is left in it raw; it is stopped."""
        engine, chunks = self._engine, []
        if self._entry is not None and self._exit is not None:
            self.finish()
            for _ in range(DRAIN_ROUNDS):
                if not self.requested:
                    self.request(CHUNK_ELEMENTS)
                more = engine.run()
                pushed = self._nest.take_pushed(self)
                chunks += pushed
                if self._exit.seat.stopped or (not pushed and not more):
                    break  # it has ended, or waits for time, or for work outside
        for seat in reversed(engine.seats.values()):
            for wire in seat.outs:
                if wire.slot is not None:
                    chunks.append(wire.slot)
                    wire.slot = None
            if not seat.stopped:
                chunks += seat.logic.residue()
        self.halt(None)
        return chunks

    def note_pull(self) -> None:
        """It wants more; of no interest to most parents."""
        if self._nest.hears_pulls:
            self._nest.note(self, Event.PULL, None)

    def note_cancel(self, cause: BaseException | None) -> None:
        """It wants nothing any more."""
        self._nest.note(self, Event.CANCEL, cause)

    def note_end(self, error: BaseException | None) -> None:
        """Its outlet has ended."""
        self._nest.note(self, Event.END, error)

    def note_waiting(self, change: int) -> None:
        """What waits in front of it has grown or shrunk."""
        self.waiting += change
        self._nest.waiting += change

    def _sink_done(self, error: BaseException | None) -> None:
        if not self.ended:
            self.note_end(error)
            self._nest.look()

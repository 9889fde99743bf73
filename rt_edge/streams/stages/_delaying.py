"""Delaying: what `delay` and `delay_with` share."""

from __future__ import annotations

from typing import Literal, Protocol

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import IN, OUT, Inlet, Outlet, StageLogic
from rt_edge.streams.stages._common import fail_behind, settle_rest
from rt_edge.streams.stages._overflow import hold_within
from rt_edge.streams.stages._waiting import Waiting

GRAIN = 0.001
"""Seconds by which an element may be early, and the shortest delay."""

DelayOverflow = Literal["backpressure", "emit_early", "drop_head", "drop_tail", "drop_buffer", "drop_new", "fail"]

SIZE = 1024
"""Elements that wait at most, unless somebody says otherwise."""


class Delaying(Protocol):
    """A stage of this kind; see `Delay`."""

    @property
    def size(self) -> int:
        """Elements that wait at most."""
        ...

    @property
    def overflow(self) -> DelayOverflow:
        """What to do with an element too many."""
        ...


def most_held(stage: Delaying) -> int:
    """Elements that such a stage keeps at most."""
    return 2 * stage.size if stage.overflow == "emit_early" else stage.size


class DelayLogic(StageLogic):
    """Keeps elements until they are due.

    Args:
        stage: room, and what happens without it.
    """

    def __init__(self, stage: Delaying) -> None:
        self._size = stage.size
        self._overflow = stage.overflow
        self._waiting = Waiting(self, most_held(stage))
        self._finished = False
        self._failure: BaseException | None = None

    def hold(self, chunk: Chunk, delay: float) -> None:
        """Keep these for so long, if there is room."""
        self._waiting.due = self.ctx.clock.monotonic() + delay
        if self._overflow == "emit_early":
            self._waiting.put(chunk)
        else:
            hold_within(self, self._waiting, chunk, self._size, self._overflow)

    def fail_after_all(self, error: BaseException) -> None:
        """Cancel upstream; the error follows what waits, at its time."""
        self._failure = error
        self._finished = True
        self.cancel(IN, error)
        self.advance()

    def advance(self) -> None:
        """Emit what is due and wanted, ask for more, set the timer."""
        waiting = self._waiting
        self._ask()
        if waiting and self.is_free(OUT):
            early = waiting.elements - self._size if self._overflow == "emit_early" else 0
            chunk = waiting.take_due(self.ctx.clock.monotonic() + GRAIN / 2, self.demand(OUT), early)
            if chunk is not None:
                self.push(OUT, chunk)
                self._ask()
        if not waiting and self._finished:
            if self._failure is None:
                self.complete_stage()
            else:
                fail_behind(self, self._failure)
        elif not self.is_free(OUT):
            self.pull_again(OUT)
        if waiting:
            left = waiting.next_due - self.ctx.clock.monotonic()
            if left > GRAIN / 2:
                self.ctx.after(left, "due")

    def _ask(self) -> None:
        if self._finished:
            return
        waits = self._overflow in ("backpressure", "emit_early")
        room = self._size - (self._waiting.elements if waits else 0) - self.requested(IN)
        if self._overflow == "emit_early":
            room += min(self.demand(OUT), self._size)
        if room > 0:
            self.request(IN, room)

    # -- handlers ------------------------------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Ask: the time of an element runs from its arrival, wanted or not."""
        self._ask()

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """Something may be due."""
        self.advance()

    def on_timer(self, key: object) -> None:
        """The next is due."""
        self.advance()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Complete when all that waits has gone out, at its time."""
        self._finished = True
        self.advance()

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what waits."""
        settle_rest(self, self._waiting.take_all(), error)

    def residue(self) -> list[Chunk]:
        """What waits, due or not."""
        return self._waiting.take_all()

"""The logic of `prefix_and_tail`, and the source of the rest that it emits."""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING, Any

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.data.errors import StreamError
from rt_edge.streams.stage import IN, OUT, Inlet, Outlet, StageLogic
from rt_edge.streams.stages._common import discard, settle_rest
from rt_edge.streams.stages._outbox import Outbox
from rt_edge.streams.stages._source import SourceStage
from rt_edge.streams.stages.flat_map_prefix import PREFIX

if TYPE_CHECKING:
    from rt_edge.streams.stages.prefix_and_tail import PrefixAndTail


class PrefixAndTailLogic(StageLogic):
    """Waits for the prefix, then feeds whoever runs the rest."""

    def __init__(self, stage: PrefixAndTail) -> None:
        self._stage = stage
        self._prefix: list[Chunk] = []
        self._missing = stage.count
        self._emitted = False
        self._reader: _TailLogic | None = None
        self._done = False
        self._thread = get_ident()

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """Ask for what the prefix lacks."""
        if not self._missing or self._done:
            self._emit()
        else:
            self.want(min(self._missing, CHUNK_ELEMENTS))

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """A part of the prefix, or of the rest."""
        if self._reader is not None:
            self._reader.seat.engine.enter(self._reader.seat, self._reader.box.put, chunk)
            return
        self._prefix.append(chunk)
        self._missing -= len(chunk)
        if self._missing:
            self.want(min(self._missing, CHUNK_ELEMENTS))
        else:
            self._emit()

    def _emit(self) -> None:
        if self._emitted or not self.is_free(OUT) or self.demand(OUT) <= 0:
            return
        from rt_edge.streams.dsl.linear import Source  # made of stages

        self._emitted = True
        prefix, self._prefix = self._prefix, []
        pair: tuple[list[Any], Any] = ([item for chunk in prefix for item in chunk.items], Source(_Tail(logic=self)))
        for chunk in prefix:
            discard(self, chunk, PREFIX)
        self.push(OUT, Chunk([pair]))
        self.complete(OUT)
        self.ctx.after(float(self._stage.timeout), "timeout")

    def on_timer(self, key: object) -> None:
        """Nobody ran the rest."""
        self.cancel_stage(StreamError(f"{self.ctx.name}: the rest was not run within {float(self._stage.timeout):g} s"))

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """The rest is over; without a prefix so far, this is all."""
        self._done = True
        if self._reader is not None:
            self._reader.seat.engine.enter(self._reader.seat, self._reader.finish)
            self.complete_stage()
        else:
            self._emit()

    def on_upstream_failure(self, inlet: Inlet, error: BaseException) -> None:
        """Fail, the rest too."""
        if self._reader is not None:
            self._reader.seat.engine.enter(self._reader.seat, self._reader.fail_stage, error)
        self.fail_stage(error)

    def on_stop(self, error: BaseException | None) -> None:
        """Settle the prefix; end the rest."""
        settle_rest(self, self._prefix, error)
        self._prefix = []
        reader = self._reader
        if reader is not None and not reader.finished:
            end = error or StreamError(f"{self.ctx.name} was stopped")
            reader.seat.engine.enter(reader.seat, reader.fail_stage, end)

    def residue(self) -> list[Chunk]:
        """The prefix so far."""
        held, self._prefix = self._prefix, []
        return held

    # -- for the tail ------------------------------------------------------------------------------------------------------

    def attach(self, reader: _TailLogic) -> None:
        """The rest is run.

        Raises:
            StreamError: in another thread, a second time, or too late.
        """
        if get_ident() != self._thread:
            raise StreamError(f"{self.ctx.name}: the rest runs in the thread of its stream only")
        if self._reader is not None or self.seat.stopped:
            raise StreamError(
                f"{self.ctx.name}: the rest runs once, and has run" if self._reader else "it is too late for the rest"
            )
        self._reader = reader
        self.seat.engine.enter(self.seat, self._attached)

    def _attached(self) -> None:
        self.ctx.cancel_timer("timeout")
        if self._done and self._reader is not None:
            self._reader.finish()
            self.complete_stage()

    def want(self, n: int) -> None:
        """`n` elements are wanted in all."""
        missing = n - self.requested(IN)
        if missing > 0 and not self.is_closed(IN):
            self.request(IN, missing)


class _Tail(SourceStage, frozen=True):
    """The rest of a stream."""

    logic: Any

    def create_logic(self) -> StageLogic:
        """A logic that reads from the stage which made this."""
        return _TailLogic(self.logic)


class _TailLogic(StageLogic):
    def __init__(self, parent: PrefixAndTailLogic) -> None:
        self._parent = parent
        self.finished = False

    def on_start(self) -> None:
        self.box = Outbox(self)
        self._parent.attach(self)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        self.box.flush()
        if self.finished:
            if not self.box:
                self.complete_stage()
        elif not self.box:
            wanted = min(self.demand(OUT), CHUNK_ELEMENTS)
            self._parent.seat.engine.enter(self._parent.seat, self._parent.want, wanted)

    def finish(self) -> None:
        """Upstream has completed."""
        self.finished = True
        if not self.box:
            self.complete_stage()

    def on_downstream_finish(self, outlet: Outlet, cause: BaseException | None) -> None:
        self.finished = True
        self._parent.seat.engine.enter(self._parent.seat, self._parent.cancel_stage, cause)
        self.cancel_stage(cause)

    def on_stop(self, error: BaseException | None) -> None:
        ended, self.finished = self.finished, True
        self.box.settle_rest(error)
        if not ended:
            self._parent.seat.engine.enter(self._parent.seat, self._parent.cancel_stage, error)

"""prefix_and_tail: the first elements, and a source of the rest."""

from __future__ import annotations

from threading import get_ident
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.data.errors import StreamError
from rt_edge.data.units import Duration
from rt_edge.streams.stage import IN, OUT, Hold, Inlet, Outlet, ReceiptUse, Stage, StageLogic
from rt_edge.streams.stages._common import at_least, discard, settle_rest
from rt_edge.streams.stages._outbox import Outbox
from rt_edge.streams.stages.flat_map_prefix import PREFIX


class PrefixAndTail(Stage, frozen=True):
    """Emits one pair: a list of the first `count` elements, and a source of the rest, which is run once, in the same thread,
    as by `flat_map_concat`.

    The elements of the prefix are settled as dropped, `prefix`, when the pair goes out, those of the rest by what becomes of
    them.

    Emits when: `count` elements have arrived, or upstream has completed.
    Backpressures when: the source of the rest does, or does not run.
    Completes when: the pair was emitted; the source completes when upstream does.
    Cancels when: downstream cancels before the pair, the source is cancelled, or was not run within `timeout`.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        count: elements of the prefix; fewer if upstream completes before.
        timeout: how long the source may wait for being run.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    count: int
    timeout: Duration | float = 5.0

    def __post_init__(self) -> None:
        """Refuse a prefix of less than nothing."""
        at_least(0, count=self.count)
        at_least(0.001, timeout=self.timeout)

    def holds(self) -> Hold:
        """The prefix, then a chunk."""
        return Hold(max(self.count, CHUNK_ELEMENTS), None if self.count > 1 else 0.0)

    def create_logic(self) -> StageLogic:
        """A logic that waits for the prefix."""
        return _Logic(self)


class _Tail(Stage, frozen=True):
    """The rest of a stream."""

    logic: Any

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        """None."""
        return ()

    def create_logic(self) -> StageLogic:
        """A logic that reads from the stage which made this."""
        return _TailLogic(self.logic)


class _Logic(StageLogic):
    def __init__(self, stage: PrefixAndTail) -> None:
        self._stage = stage
        self._prefix: list[Chunk] = []
        self._missing = stage.count
        self._emitted = False
        self._reader: _TailLogic | None = None
        self._done = False
        self._thread = get_ident()

    def on_pull(self, outlet: Outlet, n: int) -> None:
        if not self._missing or self._done:
            self._emit()
        else:
            self.want(min(self._missing, CHUNK_ELEMENTS))

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
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
        self.cancel_stage(StreamError(f"{self.ctx.name}: the rest was not run within {float(self._stage.timeout):g} s"))

    def on_upstream_finish(self, inlet: Inlet) -> None:
        self._done = True
        if self._reader is not None:
            self._reader.seat.engine.enter(self._reader.seat, self._reader.finish)
            self.complete_stage()
        else:
            self._emit()

    def on_upstream_failure(self, inlet: Inlet, error: BaseException) -> None:
        if self._reader is not None:
            self._reader.seat.engine.enter(self._reader.seat, self._reader.fail_stage, error)
        self.fail_stage(error)

    def on_stop(self, error: BaseException | None) -> None:
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


class _TailLogic(StageLogic):
    def __init__(self, parent: _Logic) -> None:
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

"""Boundary: the logic of `aggregate_with_boundary`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk, join
from rt_edge.streams.stage import IN, OUT, Inlet, Outlet, Supervision
from rt_edge.streams.stages._common import bare, fail_behind, intake, named, note_failures, settle_rest
from rt_edge.streams.stages._outbox import OutboxLogic

if TYPE_CHECKING:
    from rt_edge.streams.stages.aggregate_with_boundary import AggregateWithBoundary


class BoundaryLogic(OutboxLogic):
    """Adds up, and emits at boundaries.

    Args:
        stage: functions and bounds.
    """

    def __init__(self, stage: AggregateWithBoundary) -> None:
        self._stage = stage
        self._aggregate: Any = None
        self._parts: list[Chunk] = []
        self._n = 0
        self._failure: BaseException | None = None

    def ask(self) -> None:
        """No more than may be emitted of it."""
        n = min(self.demand(OUT), CHUNK_ELEMENTS) - self.out.elements - self.requested(IN)
        if n > 0:
            self.request(IN, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Add it."""
        rest: Chunk | None = intake(self._stage, chunk)
        while rest is not None and self._failure is None:
            rest = self._add(rest)
        if rest is not None and self._failure is not None:
            rest.fail(named(self, self._failure))
        self._go_on()

    def _add(self, chunk: Chunk) -> Chunk | None:
        """Add elements up to a boundary or a failure; returns the rest."""
        stage, error, is_whole = self._stage, None, False
        place = 0
        for item in chunk.items:
            try:
                state = stage.allocate() if not self._n else self._aggregate
                self._aggregate, is_whole = stage.aggregate(state, item)
            except Exception as raised:  # noqa: BLE001 - whatever user code raises belongs to its element
                error = raised
                break
            place += 1
            self._n += 1
            if self._n == 1:
                self._look_again()
            if is_whole or self._n >= stage.most:
                is_whole = True
                break
        rest: Chunk | None = chunk
        if place:
            done, rest = chunk.cut(place) if place < len(chunk) else (chunk, None)
            if done.receipt is not None:
                self._parts.append(bare(done))
        if is_whole:
            self._emit()
        if error is not None and rest is not None:
            guilty, rest = rest.cut(1) if len(rest) > 1 else (rest, None)
            guilty.fail(named(self, error))
            self._failed(error)
        return rest

    def _failed(self, error: Exception) -> None:
        note_failures(self, [(0, error)])
        if self._stage.supervision is Supervision.RESTART:
            self.ctx.count("restarts")
            settle_rest(self, self._take()[1], error)
        elif self._stage.supervision is Supervision.STOP:
            self._failure = error
            self.cancel(IN, error)

    def _take(self) -> tuple[Any, list[Chunk]]:
        taken = self._aggregate, self._parts
        self._aggregate, self._parts, self._n = None, [], 0
        return taken

    def _harvested(self) -> Chunk | None:
        aggregate, parts = self._take()
        try:
            element = self._stage.harvest(aggregate)
            if element is None:
                raise TypeError("None is not an element (rule 2.13)")
        except Exception as error:  # noqa: BLE001 - whatever user code raises belongs to its elements
            for part in parts:
                part.fail(named(self, error))
            self._failed(error)
            return None
        return join([element], parts)

    def _emit(self) -> None:
        chunk = self._harvested()
        if chunk is not None:
            self.out.put(chunk)

    def _look_again(self) -> None:
        if self._stage.every:
            self.ctx.after(float(self._stage.every), "look")

    def on_timer(self, key: object) -> None:
        """It may be due; without an aggregate nothing is looked at."""
        if not self._n or self.finished:
            return
        try:
            is_due = self._stage.is_due is None or self._stage.is_due(self._aggregate)
        except Exception as error:  # noqa: BLE001 - whatever user code raises belongs to the aggregate
            settle_rest(self, self._take()[1], error)
            self._failed(error)
            is_due = False
        if is_due:
            self._emit()
        elif self._n:
            self._look_again()
        self._go_on()

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """Ask, and hand on; an error follows."""
        super().on_pull(outlet, n)
        self._fail_if_out()

    def _go_on(self) -> None:
        if self._failure is None:
            self.proceed()
        else:
            self._fail_if_out()

    def _fail_if_out(self) -> None:
        if self._failure is not None and not self.out:
            fail_behind(self, self._failure)

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """The last aggregate may be incomplete."""
        if self._n:
            self._emit()
        if self._failure is None:
            super().on_upstream_finish(inlet)
        else:
            self._fail_if_out()

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what is held."""
        super().on_stop(error)
        settle_rest(self, self._take()[1], error)

    def residue(self) -> list[Chunk]:
        """What is ready, then what is made of the aggregate so far."""
        rest = super().residue()
        made = self._harvested() if self._n else None
        return rest if made is None else [*rest, made]

"""tick: an element at a period."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.data.units import Duration
from rt_edge.streams.stage import OUT, Outlet, StageLogic
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._given import Given, given_now
from rt_edge.streams.stages._source import SourceStage


class Tick(SourceStage, frozen=True):
    """Emits the same element at a period; a tick that nobody asked for is left out (counter `dropped_tick`).

    Emits when: a period has passed and downstream has asked; what it emits is volatile.
    Backpressures when: never; ticks are left out.
    Completes when: never.
    Cancels when: -

    Attributes:
        every: the period.
        element: not None; in a configuration a reading, with the time of the tick: {source: hall-3, fields: {alive: true}}.
        initial: how long after the start the first comes; 0: as soon as it is asked for; none: `every`.
    """

    kind: ClassVar[str] = "tick"
    written: ClassVar[tuple[str, ...]] = ("element",)

    every: Duration | float
    element: Given = "tick"
    initial: Duration | float | None = None

    def __post_init__(self) -> None:
        """Refuse a period of nothing."""
        at_least(0.001, every=self.every)
        at_least(0, initial=self.initial or 0.0)

    def create_logic(self) -> StageLogic:
        """A logic with the timer."""
        return _Logic(self)


class _Logic(StageLogic):
    def __init__(self, stage: Tick) -> None:
        self._stage = stage
        self._is_due = stage.initial == 0

    def on_start(self) -> None:
        every, initial = self._stage.every, self._stage.initial
        self.ctx.after(float(initial or every), "first")

    def on_pull(self, outlet: Outlet, n: int) -> None:
        if self._is_due:  # else the timer emits
            self._is_due = False
            self._emit()

    def on_timer(self, key: object) -> None:
        if key == "first":
            self.ctx.every(float(self._stage.every), "tick")
        if self.is_free(OUT) and self.demand(OUT) > 0:
            self._emit()
        else:
            self.ctx.count("dropped_tick")

    def _emit(self) -> None:
        self.push(OUT, Chunk([given_now(self._stage.element, self.ctx)]))

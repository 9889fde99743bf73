"""tick: an element at a period."""

from __future__ import annotations

from typing import Any

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import OUT, Outlet, StageLogic
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._source import SourceStage


class Tick(SourceStage, frozen=True):
    """Emits the same element at a period; a tick that nobody asked for is left out (counter `dropped_tick`).

    Emits when: a period has passed and downstream has asked.
    Backpressures when: never; ticks are left out.
    Completes when: never.
    Cancels when: -

    Attributes:
        every: the period, in seconds.
        element: not None.
    """

    every: float
    element: Any = "tick"

    def __post_init__(self) -> None:
        """Refuse a period of nothing."""
        at_least(0.001, every=self.every)

    def create_logic(self) -> StageLogic:
        """A logic with the timer."""
        return _Logic(self)


class _Logic(StageLogic):
    def __init__(self, stage: Tick) -> None:
        self._stage = stage

    def on_start(self) -> None:
        self.ctx.every(self._stage.every, "tick")

    def on_pull(self, outlet: Outlet, n: int) -> None:
        pass  # the timer emits

    def on_timer(self, key: object) -> None:
        if self.is_free(OUT) and self.demand(OUT) > 0:
            self.push(OUT, Chunk([self._stage.element]))
        else:
            self.ctx.count("dropped_tick")

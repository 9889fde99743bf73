"""empty: a source that completes."""

from __future__ import annotations

from rt_edge.streams.stage import Outlet, StageLogic
from rt_edge.streams.stages._source import SourceStage


class Empty(SourceStage, frozen=True):
    """Emits nothing.

    Emits when: never.
    Backpressures when: -
    Completes when: it starts.
    Cancels when: -
    """

    def create_logic(self) -> StageLogic:
        """A logic that completes."""
        return _Logic()


class _Logic(StageLogic):
    def on_start(self) -> None:
        self.complete_stage()

    def on_pull(self, outlet: Outlet, n: int) -> None:
        pass

"""never: a source that says nothing."""

from __future__ import annotations

from rt_edge.streams.stage import Outlet, StageLogic
from rt_edge.streams.stages._source import SourceStage


class Never(SourceStage, frozen=True):
    """Emits nothing and does not complete.

    Emits when: never.
    Backpressures when: -
    Completes when: never.
    Cancels when: -
    """

    def create_logic(self) -> StageLogic:
        """A logic that waits."""
        return _Logic()


class _Logic(StageLogic):
    def on_pull(self, outlet: Outlet, n: int) -> None:
        pass

"""failed: a source that fails."""

from __future__ import annotations

from rt_edge.streams.stage import Outlet, StageLogic
from rt_edge.streams.stages._source import SourceStage


class Failed(SourceStage, frozen=True):
    """Emits nothing and fails.

    Emits when: never.
    Backpressures when: -
    Completes when: it fails when it starts.
    Cancels when: -

    Attributes:
        error: what it fails with.
    """

    error: BaseException

    def create_logic(self) -> StageLogic:
        """A logic that fails."""
        return _Logic(self.error)


class _Logic(StageLogic):
    def __init__(self, error: BaseException) -> None:
        self._error = error

    def on_start(self) -> None:
        self.fail_stage(self._error)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        pass

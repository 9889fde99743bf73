"""Ending: when a stage is over that answers elements one by one, several at a time."""

from __future__ import annotations

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import Inlet, StageLogic
from rt_edge.streams.stages._common import fail_behind, settle_rest


class EndingLogic(StageLogic):
    """Completes when upstream has and nothing is inside; an error follows what was before the element that failed."""

    _finished = False
    _failure: BaseException | None = None

    def is_empty(self) -> bool:
        """Whether nothing is inside, and nothing waits to go out."""
        raise NotImplementedError

    def end_if_over(self) -> None:
        """Complete, or fail, as soon as the last result has gone out."""
        if not self.is_empty():
            return
        if self._failure is not None:
            fail_behind(self, self._failure)
        elif self._finished:
            self.complete_stage()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Complete as soon as the last result has gone out."""
        self._finished = True
        self.end_if_over()

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what is held; what is asked for it is given up."""
        settle_rest(self, self.residue(), error)

    def residue(self) -> list[Chunk]:
        """What waits to go out, then what has no result so far, raw."""
        raise NotImplementedError

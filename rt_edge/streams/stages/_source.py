"""What the beginnings of a stream share: they have no inlet, and fail behind what they have emitted."""

from __future__ import annotations

from rt_edge.streams.stage import Inlet, Stage, StageLogic
from rt_edge.streams.stages._common import fail_behind


class SourceStage(Stage, frozen=True):
    """Base of sources."""

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        """None."""
        return ()


def broke(logic: StageLogic, error: BaseException) -> None:
    """What the source draws from has raised: it is counted, and follows what waits in the slot."""
    logic.ctx.count("errors")
    fail_behind(logic, error)

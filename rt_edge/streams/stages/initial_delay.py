"""initial_delay: the first element some time later."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.data.units import Duration
from rt_edge.streams.stage import OUT, Inlet, Outlet, Stage, StageLogic
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._timeouts import GRAIN
from rt_edge.streams.stages._user_code import PassLogic


class InitialDelay(Stage, frozen=True):
    """Asks for nothing until `by` has passed since the start; then lets everything pass.

    Emits when: an element arrives.
    Backpressures when: downstream does, or the time has not come.
    Completes when: upstream completes.
    Cancels when: downstream cancels.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        by: how long.
    """

    kind: ClassVar[str] = "initial_delay"

    by: Duration | float

    def __post_init__(self) -> None:
        """Refuse no time."""
        at_least(GRAIN, by=self.by)

    def create_logic(self) -> StageLogic:
        """A logic with a timer."""
        return _Logic(self)


class _Logic(PassLogic):
    def __init__(self, stage: InitialDelay) -> None:
        self._by = float(stage.by)
        self._is_time = False

    def on_start(self) -> None:
        self.ctx.after(self._by, "begin")

    def on_timer(self, key: object) -> None:
        self._is_time = True
        super().on_pull(OUT, 0)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        if self._is_time:
            super().on_pull(outlet, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self.push(OUT, chunk)

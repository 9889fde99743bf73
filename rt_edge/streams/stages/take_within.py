"""take_within: the elements of the first while only."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.data.units import Duration
from rt_edge.streams.stage import OUT, Inlet, Stage, StageLogic
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._timeouts import GRAIN
from rt_edge.streams.stages._user_code import PassLogic


class TakeWithin(Stage, frozen=True):
    """Lets pass what arrives until `within` has passed since the start, then completes.

    Emits when: an element arrives in time.
    Backpressures when: downstream does.
    Completes when: the time is over, or upstream completes.
    Cancels when: the time is over, or downstream cancels.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        within: how long.
    """

    kind: ClassVar[str] = "take_within"

    within: Duration | float

    def __post_init__(self) -> None:
        """Refuse no time."""
        at_least(GRAIN, within=self.within)

    def create_logic(self) -> StageLogic:
        """A logic with a timer."""
        return _Logic(self)


class _Logic(PassLogic):
    def __init__(self, stage: TakeWithin) -> None:
        self._within = float(stage.within)

    def on_start(self) -> None:
        self.ctx.after(self._within, "over")

    def on_timer(self, key: object) -> None:
        self.complete_stage()

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self.push(OUT, chunk)

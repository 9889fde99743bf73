"""drop_within: all but the elements of the first while."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.data.units import Duration
from rt_edge.streams.stage import IN, OUT, Inlet, Stage, StageLogic
from rt_edge.streams.stages._common import at_least, skip
from rt_edge.streams.stages._timeouts import GRAIN
from rt_edge.streams.stages._user_code import PassLogic


class DropWithin(Stage, frozen=True):
    """Discards what arrives until `within` has passed since the start (settled as dropped, `skipped`); then lets all pass.

    What an origin emits again passes at any time: what was discarded does not come again.

    Emits when: an element arrives and the time is over.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        within: how long.
    """

    kind: ClassVar[str] = "drop_within"

    within: Duration | float

    def __post_init__(self) -> None:
        """Refuse no time."""
        at_least(GRAIN, within=self.within)

    def create_logic(self) -> StageLogic:
        """A logic with a timer."""
        return _Logic(self)


class _Logic(PassLogic):
    def __init__(self, stage: DropWithin) -> None:
        self._within = float(stage.within)
        self._is_over = False

    def on_start(self) -> None:
        self.ctx.after(self._within, "over")

    def on_timer(self, key: object) -> None:
        self._is_over = True

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        if self._is_over:
            self.push(OUT, chunk)
        else:
            rest, skipped = skip(self, chunk, len(chunk))
            if rest is not None:
                self.push(OUT, rest)
            if skipped:
                self.request(IN, skipped)

"""session_window: aggregates of what comes without a long gap."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.errors import ConfigError
from rt_edge.data.units import Duration
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._window_logic import WindowLogic
from rt_edge.streams.stages._windowing import Windowing, nanoseconds
from rt_edge.streams.windows import Assigner, Session


class SessionWindow(Windowing, frozen=True, kw_only=True):
    """Makes one reading of all readings of a key that follow each other by less than `gap`, by the readings' own times.

    The result is that of `tumbling_window`; a window ends `gap` behind its last reading. A reading that comes out of order can
    make one session of two. A session that never pauses ends by `max_elements` only, unless it settles early.

    Emits when: a window closes: the watermark of its key reaches its end, or the key is idle.
    Backpressures when: downstream does, or a late element waits at the outlet `late`.
    Completes when: upstream completes, every window has closed and what is held has gone out.
    Cancels when: downstream cancels.
    On restart: open windows are forgotten, and what is in them fails.

    Attributes:
        gap: what separates two sessions.
    """

    kind: ClassVar[str] = "session_window"
    shorthand: ClassVar[str] = "gap"

    gap: Duration | float

    def __post_init__(self) -> None:
        """Refuse no time, and a fold that cannot make one session of two."""
        super().__post_init__()
        at_least(0.001, gap=self.gap)
        if self.function is not None and not callable(self.combine):
            raise ConfigError("combine is missing", "sessions become one, and their states have to")

    def assigner(self) -> Assigner:
        """Windows without a size."""
        return Session(nanoseconds(self.gap))

    def create_logic(self) -> StageLogic:
        """A logic with the open windows."""
        return WindowLogic(self)

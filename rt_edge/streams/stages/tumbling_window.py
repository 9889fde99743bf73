"""tumbling_window: aggregates of windows of one size, one behind the other."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.units import Duration
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._window_logic import WindowLogic
from rt_edge.streams.stages._windowing import Windowing, nanoseconds
from rt_edge.streams.windows import Assigner, Tumbling


class TumblingWindow(Windowing, frozen=True, kw_only=True):
    """Makes one reading of all readings of a key in each span of `size`, by the readings' own times.

    The result has the key as its source, the beginning of the window as its time, its end as the tag `rt_edge.window_until`, the
    aggregates as fields, the worst quality, and the tags in which all readings agree. Windows begin at multiples of `size` since
    1970 UTC. Each key has a watermark of its own. Gap records pass at once; a window in which no reading has any of the fields
    emits nothing (its readings are dropped, `no_values`).

    Emits when: a window closes: the watermark of its key reaches its end, or the key is idle.
    Backpressures when: downstream does, or a late element waits at the outlet `late`.
    Completes when: upstream completes, every window has closed and what is held has gone out.
    Cancels when: downstream cancels.
    On restart: open windows are forgotten, and what is in them fails.

    Attributes:
        size: length of a window.
        offset: windows begin so long behind multiples of `size`.
    """

    kind: ClassVar[str] = "tumbling_window"
    shorthand: ClassVar[str] = "size"

    size: Duration | float
    offset: Duration | float = 0.0

    def __post_init__(self) -> None:
        """Refuse no time."""
        super().__post_init__()
        at_least(0.001, size=self.size)
        at_least(0, offset=self.offset)

    def assigner(self) -> Assigner:
        """Windows one behind the other."""
        return Tumbling(nanoseconds(self.size), nanoseconds(self.offset))

    def create_logic(self) -> StageLogic:
        """A logic with the open windows."""
        return WindowLogic(self)

"""sliding_window: aggregates of windows of one size that overlap."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.errors import ConfigError
from rt_edge.data.units import Duration
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._window_logic import WindowLogic
from rt_edge.streams.stages._windowing import Windowing, nanoseconds
from rt_edge.streams.windows import Assigner, Sliding

MAX_OVERLAP = 1000
"""Windows in which one element is, at most."""


class SlidingWindow(Windowing, frozen=True, kw_only=True):
    """Makes one reading of all readings of a key in each span of `size`, every `every`, by the readings' own times.

    The result is that of `tumbling_window`; an element is in `size / every` windows, and settled when all of them are.

    Emits when: a window closes: the watermark of its key reaches its end, or the key is idle.
    Backpressures when: downstream does, or a late element waits at the outlet `late`.
    Completes when: upstream completes, every window has closed and what is held has gone out.
    Cancels when: downstream cancels.
    On restart: open windows are forgotten, and what is in them fails.

    Attributes:
        size: length of a window.
        every: from the beginning of one window to that of the next; not more than 1,000 in a size.
    """

    kind: ClassVar[str] = "sliding_window"
    comes_again: ClassVar[str] = "is twice in those of its windows that are still open"

    size: Duration | float
    every: Duration | float

    def __post_init__(self) -> None:
        """Refuse no time, holes between windows, and too many windows at a time."""
        super().__post_init__()
        at_least(0.001, size=self.size, every=self.every)
        if self.every > self.size:
            raise ConfigError("every is longer than size", "readings between two windows would be in none")
        if self.size / self.every > MAX_OVERLAP:
            raise ConfigError(f"a reading would be in more than {MAX_OVERLAP} windows", "make every longer")

    def assigner(self) -> Assigner:
        """Windows that overlap."""
        return Sliding(nanoseconds(self.size), nanoseconds(self.every))

    def create_logic(self) -> StageLogic:
        """A logic with the open windows."""
        return WindowLogic(self)

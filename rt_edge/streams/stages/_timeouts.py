"""Timeouts: what the stages share that fail a stream which takes too long."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import StreamError
from rt_edge.data.units import Duration, show_duration
from rt_edge.streams.stage import OUT, Inlet, Stage
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._user_code import PassLogic

GRAIN = 0.001
"""Seconds by which a timer may be early, and the shortest timeout."""


class StreamTimeout(StreamError):
    """Something in a stream took longer than it was allowed to; the subclasses say what."""

    code: ClassVar[str] = "RTE617"


class Timeout(Stage, frozen=True):
    """Base of stages that let everything pass and fail when something takes too long.

    Attributes:
        after: how long it may take.
    """

    after: Duration | float

    def __post_init__(self) -> None:
        """Refuse no time."""
        at_least(GRAIN, after=self.after)


class TimeoutLogic(PassLogic):
    """Passes chunks on, and fails when `waiting_since` is too long ago.

    There is one timer, and it is not set anew with each element: when it fires, it looks how long is left.

    Args:
        stage: how long.
    """

    def __init__(self, stage: Timeout) -> None:
        self._after = float(stage.after)
        self._since: float | None = None
        self._timed = False

    # -- to override ---------------------------------------------------------------------------------------------------

    def error(self, after: str) -> StreamTimeout:
        """What to fail with; `after` is the time in words."""
        raise NotImplementedError

    # -- for subclasses ------------------------------------------------------------------------------------------------

    def wait(self) -> None:
        """What may take `after` begins now."""
        self._since = self.ctx.clock.monotonic()
        if not self._timed:
            self._timed = True
            self.ctx.after(self._after, "timeout")

    def stop_waiting(self) -> None:
        """It has come."""
        self._since = None

    # -- handlers ------------------------------------------------------------------------------------------------------

    def on_start(self) -> None:
        """The time runs from the start."""
        self.wait()

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Let it pass."""
        self.push(OUT, chunk)

    def on_timer(self, key: object) -> None:
        """Fail, or look again when the time may be up."""
        self._timed = False
        if self._since is None:
            return
        left = self._since + self._after - self.ctx.clock.monotonic()
        if left > GRAIN / 2:
            self._timed = True
            self.ctx.after(left, "timeout")
            return
        self.fail_stage(self.error(show_duration(self._after)))

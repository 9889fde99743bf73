"""initial_timeout: an error when the first element takes too long."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import Inlet, StageLogic
from rt_edge.streams.stages._timeouts import StreamTimeout, Timeout, TimeoutLogic


class InitialTimeoutError(StreamTimeout):
    """The first element did not come within what an `initial_timeout` allows."""

    code: ClassVar[str] = "RTE613"


class InitialTimeout(Timeout, frozen=True):
    """Lets everything pass; fails with `InitialTimeoutError` when the first element has not come `after` the start.

    Emits when: an element arrives.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels, or the time is up.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        after: how long the first element may take.
    """

    kind: ClassVar[str] = "initial_timeout"

    def create_logic(self) -> StageLogic:
        """A logic that waits for the first element."""
        return _Logic(self)


class _Logic(TimeoutLogic):
    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self.stop_waiting()
        super().on_push(inlet, chunk)

    def error(self, after: str) -> StreamTimeout:
        return InitialTimeoutError(f"{self.ctx.name}: the first element did not come within {after}")

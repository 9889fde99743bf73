"""backpressure_timeout: an error when downstream asks for nothing for too long."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import OUT, Inlet, Outlet, StageLogic
from rt_edge.streams.stages._timeouts import StreamTimeout, Timeout, TimeoutLogic


class BackpressureTimeoutError(StreamTimeout):
    """Downstream asked for nothing for longer than a `backpressure_timeout` allows."""

    code: ClassVar[str] = "RTE616"


class BackpressureTimeout(Timeout, frozen=True):
    """Lets everything pass; fails with `BackpressureTimeoutError` when downstream has everything it asked for, and asks for
    nothing more, for `after`.

    Emits when: an element arrives.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels, or the time is up.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        after: how long downstream may ask for nothing; also at the start.
    """

    kind: ClassVar[str] = "backpressure_timeout"

    def create_logic(self) -> StageLogic:
        """A logic with the time since which nothing is asked for."""
        return _Logic(self)


class _Logic(TimeoutLogic):
    def on_pull(self, outlet: Outlet, n: int) -> None:
        self.stop_waiting()
        super().on_pull(outlet, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        if len(chunk) >= self.demand(OUT):
            self.wait()
        super().on_push(inlet, chunk)

    def error(self, after: str) -> StreamTimeout:
        return BackpressureTimeoutError(f"{self.ctx.name}: downstream has asked for nothing for {after}")

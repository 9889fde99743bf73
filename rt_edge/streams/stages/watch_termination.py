"""watch_termination: how a stream ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import OUT, Inlet, Outlet, Stage, StageLogic
from rt_edge.streams.stages._user_code import PassLogic


class Termination(NamedTuple):
    """How a stream ended at a place.

    Attributes:
        how: completed: upstream did. failed: upstream did. cancelled: downstream did. stopped: the engine was.
        error: what it failed with, or the cause of the cancel.
    """

    how: Literal["completed", "failed", "cancelled", "stopped"]
    error: BaseException | None = None

    def tell(self, future: Any) -> None:
        """Set a future (of asyncio or of threads): its result is True after completion, False after a cancel or a stop without
        an error; else it fails."""
        if future.done():
            return
        if self.error is not None:
            future.set_exception(self.error)
        else:
            future.set_result(self.how == "completed")


class WatchTermination(Stage, frozen=True):
    """Passes elements, and says how the stream ended, once.

    Emits when: an element arrives.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.
    On restart: keeps nothing.

    Attributes:
        ended: called with a `Termination`, in the stream's thread; what it raises is logged and counted.
    """

    ended: Callable[[Termination], Any]

    def create_logic(self) -> StageLogic:
        """A logic that watches."""
        return _Logic(self.ended)


class _Logic(PassLogic):
    def __init__(self, ended: Callable[[Termination], Any]) -> None:
        self._ended = ended
        self._end: Termination | None = None

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self.push(OUT, chunk)

    def on_upstream_finish(self, inlet: Inlet) -> None:
        self._end = Termination("completed")
        self.complete_stage()

    def on_upstream_failure(self, inlet: Inlet, error: BaseException) -> None:
        self._end = Termination("failed", error)
        self.fail_stage(error)

    def on_downstream_finish(self, outlet: Outlet, cause: BaseException | None) -> None:
        self._end = Termination("cancelled", cause)
        self.cancel_stage(cause)

    def on_stop(self, error: BaseException | None) -> None:
        self._ended(self._end or Termination("stopped", error))

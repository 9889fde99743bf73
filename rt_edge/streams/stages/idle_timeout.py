"""idle_timeout: an error when nothing has come for too long."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import Inlet, StageLogic
from rt_edge.streams.stages._timeouts import StreamTimeout, Timeout, TimeoutLogic


class IdleTimeoutError(StreamTimeout):
    """No element came for longer than an `idle_timeout` allows."""

    code: ClassVar[str] = "RTE612"


class IdleTimeout(Timeout, frozen=True):
    """Lets everything pass; fails with `IdleTimeoutError` when nothing has for `after`, or since the start.

    It does not matter who is to blame: nothing comes either where nothing is asked for.

    Emits when: an element arrives.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels, or the time is up.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        after: how long nothing may come.
    """

    kind: ClassVar[str] = "idle_timeout"

    def create_logic(self) -> StageLogic:
        """A logic with the time of the last element."""
        return _Logic(self)


class _Logic(TimeoutLogic):
    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self.wait()
        super().on_push(inlet, chunk)

    def error(self, after: str) -> StreamTimeout:
        return IdleTimeoutError(f"{self.ctx.name}: no element for {after}")

"""completion_timeout: an error when a stream does not end in time."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._timeouts import StreamTimeout, Timeout, TimeoutLogic


class CompletionTimeoutError(StreamTimeout):
    """The stream did not end within what a `completion_timeout` allows."""

    code: ClassVar[str] = "RTE614"


class CompletionTimeout(Timeout, frozen=True):
    """Lets everything pass; fails with `CompletionTimeoutError` when upstream has not completed `after` the start.

    Emits when: an element arrives.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels, or the time is up.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        after: how long the stream may take.
    """

    kind: ClassVar[str] = "completion_timeout"

    def create_logic(self) -> StageLogic:
        """A logic that waits for the end."""
        return _Logic(self)


class _Logic(TimeoutLogic):
    def error(self, after: str) -> StreamTimeout:
        return CompletionTimeoutError(f"{self.ctx.name}: the stream did not end within {after}")

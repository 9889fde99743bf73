"""cancelled and never, as ends of a stream: nothing is taken."""

from __future__ import annotations

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages.sinks import SinkLogic, SinkStage


class Cancelled(SinkStage, frozen=True):
    """Cancels at once. What it came to is None.

    Emits when: -
    Backpressures when: -
    Completes when: it starts.
    Cancels when: it starts.
    """

    def create_logic(self) -> StageLogic:
        """A logic that cancels."""
        return _CancelledLogic(self)


class Unwilling(SinkStage, frozen=True):
    """Never asks for an element, and never cancels. What it came to is None.

    Emits when: -
    Backpressures when: always.
    Completes when: upstream completes.
    Cancels when: never.
    """

    def create_logic(self) -> StageLogic:
        """A logic that waits."""
        return _UnwillingLogic(self)


class _UnwillingLogic(SinkLogic):
    def on_start(self) -> None:
        pass

    def consume(self, chunk: Chunk) -> None:
        chunk.drop("cancelled")


class _CancelledLogic(_UnwillingLogic):
    def on_start(self) -> None:
        self.end()

"""unwilling: the end of a stream that takes nothing (`Sink.never`)."""

from __future__ import annotations

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._sink import SinkLogic, SinkStage


class Unwilling(SinkStage, frozen=True):
    """Never asks for an element, and never cancels. What it came to is None.

    Emits when: -
    Backpressures when: always.
    Completes when: upstream completes.
    Cancels when: never.
    """

    def create_logic(self) -> StageLogic:
        """A logic that waits."""
        return _Logic(self)


class _Logic(SinkLogic):
    def on_start(self) -> None:
        """Nothing is asked for."""

    def consume(self, chunk: Chunk) -> None:
        chunk.drop("cancelled")

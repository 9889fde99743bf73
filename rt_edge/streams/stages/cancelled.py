"""cancelled: the end of a stream that nobody wants."""

from __future__ import annotations

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._sink import SinkLogic, SinkStage


class Cancelled(SinkStage, frozen=True):
    """Cancels at once. What it came to is None.

    Emits when: -
    Backpressures when: -
    Completes when: it starts.
    Cancels when: it starts.
    """

    def create_logic(self) -> StageLogic:
        """A logic that cancels."""
        return _Logic(self)


class _Logic(SinkLogic):
    def on_start(self) -> None:
        self.end()

    def consume(self, chunk: Chunk) -> None:
        chunk.drop("cancelled")

"""count: how many elements there were."""

from __future__ import annotations

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._sink import SinkLogic, SinkStage


class Count(SinkStage, frozen=True):
    """Settles all elements. What it came to is their number.

    Emits when: -
    Backpressures when: never.
    Completes when: upstream completes.
    Cancels when: never.
    """

    def create_logic(self) -> StageLogic:
        """A logic that counts."""
        return _CountLogic(self)


class _CountLogic(SinkLogic):
    result = 0

    def consume(self, chunk: Chunk) -> None:
        self.result += len(chunk)
        chunk.settle()

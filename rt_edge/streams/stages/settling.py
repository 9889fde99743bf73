"""settling: elements settled without being stored."""

from __future__ import annotations

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._sink import SinkLogic, SinkStage


class Settling(SinkStage, frozen=True):
    """Settles all elements as stored, without storing them: for tests and benchmarks. What it came to is their number.

    Emits when: -
    Backpressures when: never.
    Completes when: upstream completes.
    Cancels when: never.
    """

    def create_logic(self) -> StageLogic:
        """A logic that counts."""
        return _SettlingLogic(self)


class _SettlingLogic(SinkLogic):
    result = 0

    def consume(self, chunk: Chunk) -> None:
        chunk.settle()
        self.result += len(chunk)

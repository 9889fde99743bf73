"""collect: all elements in a list."""

from __future__ import annotations

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import StreamError
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._sink import SinkLogic, SinkStage


class Collect(SinkStage, frozen=True):
    """Collects all elements in a list; settles them. What it came to is the list.

    Emits when: -
    Backpressures when: never.
    Completes when: upstream completes.
    Cancels when: more than `most` elements come.

    Attributes:
        most: elements at most; one more fails the stage.
    """

    most: int = 1_000_000

    def create_logic(self) -> StageLogic:
        """A logic with the list."""
        return _CollectLogic(self)


class _CollectLogic(SinkLogic):
    stage: Collect

    def on_start(self) -> None:
        self.result = []
        super().on_start()

    def consume(self, chunk: Chunk) -> None:
        if len(self.result) + len(chunk) > self.stage.most:
            error = StreamError(f"{self.ctx.name}: more than {self.stage.most} elements were to be collected")
            chunk.fail(error)
            self.fail_stage(error)
            return
        self.result += chunk.items
        chunk.settle()

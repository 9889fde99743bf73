"""The logic of `last` and `last_option`."""

from __future__ import annotations

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import Inlet
from rt_edge.streams.stages._sink import SinkLogic, SinkStage
from rt_edge.streams.stages.reduce import no_element


class LastLogic(SinkLogic):
    """Keeps the last element; without one it fails, or comes to None if it is `optional`."""

    def __init__(self, stage: SinkStage, *, optional: bool) -> None:
        super().__init__(stage)
        self._optional = optional

    def consume(self, chunk: Chunk) -> None:
        """Keep the last."""
        self.result = chunk.items[-1]
        chunk.settle()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Say what it came to, if to anything."""
        if self.result is not None or self._optional:
            self.end()
        else:
            self.fail_stage(no_element(self.ctx.name))

"""The logic of `head` and `head_option`."""

from __future__ import annotations

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import IN, Inlet
from rt_edge.streams.stages._sink import SinkLogic, SinkStage
from rt_edge.streams.stages.reduce import no_element


class HeadLogic(SinkLogic):
    """Takes the first element and cancels; without one it fails, or comes to None if it is `optional`."""

    def __init__(self, stage: SinkStage, *, optional: bool) -> None:
        super().__init__(stage)
        self._optional = optional

    def on_start(self) -> None:
        """Ask for one."""
        self.request(IN, 1)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """That is all."""
        self.result = chunk.items[0]
        chunk.settle()
        self.end()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Say what it came to, if to anything."""
        if self._optional:
            self.end()
        else:
            self.fail_stage(no_element(self.ctx.name))

"""last: the last element."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import Inlet, StageLogic
from rt_edge.streams.stages.reduce import no_element
from rt_edge.streams.stages.sinks import SinkLogic, SinkStage


class Last(SinkStage, frozen=True):
    """Settles all elements. What it came to is the last; without one it fails.

    Emits when: -
    Backpressures when: never.
    Completes when: upstream completes.
    Cancels when: never.
    """

    optional: ClassVar[bool] = False

    def create_logic(self) -> StageLogic:
        """A logic with the last element."""
        return _LastLogic(self)


class LastOption(Last, frozen=True):
    """Settles all elements. What it came to is the last, or None if the stream had none.

    Emits when: -
    Backpressures when: never.
    Completes when: upstream completes.
    Cancels when: never.
    """

    optional: ClassVar[bool] = True

    def create_logic(self) -> StageLogic:
        """A logic with the last element."""
        return _LastLogic(self)


class _LastLogic(SinkLogic):
    stage: Last

    def consume(self, chunk: Chunk) -> None:
        self.result = chunk.items[-1]
        chunk.settle()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        if self.result is not None or self.stage.optional:
            self.end()
        else:
            self.fail_stage(no_element(self.ctx.name))

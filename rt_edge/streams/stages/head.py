"""head: the first element."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import IN, Inlet, StageLogic
from rt_edge.streams.stages.reduce import no_element
from rt_edge.streams.stages.sinks import SinkLogic, SinkStage


class Head(SinkStage, frozen=True):
    """Takes the first element, settles it, and cancels. What it came to is the element; without one it fails.

    Emits when: -
    Backpressures when: never; it asks for one element.
    Completes when: an element has come.
    Cancels when: an element has come.
    """

    optional: ClassVar[bool] = False

    def create_logic(self) -> StageLogic:
        """A logic for one element."""
        return _HeadLogic(self)


class HeadOption(Head, frozen=True):
    """Takes the first element, settles it, and cancels. What it came to is the element, or None if the stream had none.

    Emits when: -
    Backpressures when: never; it asks for one element.
    Completes when: an element has come, or upstream completes.
    Cancels when: an element has come.
    """

    optional: ClassVar[bool] = True

    def create_logic(self) -> StageLogic:
        """A logic for one element."""
        return _HeadLogic(self)


class _HeadLogic(SinkLogic):
    stage: Head

    def on_start(self) -> None:
        self.request(IN, 1)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self.result = chunk.items[0]
        chunk.settle()
        self.end()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        if self.stage.optional:
            self.end()
        else:
            self.fail_stage(no_element(self.ctx.name))

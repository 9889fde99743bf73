"""foreach: a function called with each element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._sink import SinkLogic, SinkStage
from rt_edge.streams.stages._user_code import attempt


class ForEach(SinkStage, frozen=True):
    """Calls a function with each element; settles the element when it returns.

    Emits when: -
    Backpressures when: never longer than the function takes.
    Completes when: upstream completes.
    Cancels when: the function raises, under `stop`.

    Attributes:
        function: called with an element.
    """

    function: Callable[[Any], Any]

    def create_logic(self) -> StageLogic:
        """A logic that calls it."""
        return _ForEachLogic(self)


class _ForEachLogic(SinkLogic):
    stage: ForEach

    def consume(self, chunk: Chunk) -> None:
        _, failures = attempt(self.stage.function, chunk.items, self.stage.supervision)
        self.settle_but(chunk, failures)

"""take_last as the end of a stream."""

from __future__ import annotations

from collections import deque
from typing import Any

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import Inlet, StageLogic
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._sink import SinkLogic, SinkStage


class LastInto(SinkStage, frozen=True, kw_only=True):
    """Settles all elements. What it came to is the list of the last `count`.

    Emits when: -
    Backpressures when: never.
    Completes when: upstream completes.
    Cancels when: never.

    Attributes:
        count: how many.
    """

    count: int

    def __post_init__(self) -> None:
        """Refuse to keep nothing."""
        super().__post_init__()
        at_least(1, count=self.count)

    def create_logic(self) -> StageLogic:
        """A logic with the last elements."""
        return _LastIntoLogic(self)


class _LastIntoLogic(SinkLogic):
    stage: LastInto

    def on_start(self) -> None:
        self._last: deque[Any] = deque(maxlen=self.stage.count)
        super().on_start()

    def consume(self, chunk: Chunk) -> None:
        self._last.extend(chunk.items)
        chunk.settle()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        self.result = list(self._last)
        self.end()

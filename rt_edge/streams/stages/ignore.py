"""ignore: elements thrown away."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._common import discard
from rt_edge.streams.stages._sink import SinkLogic, SinkStage


class Ignore(SinkStage, frozen=True):
    """Throws all elements away; they are settled as dropped, `ignored`.

    Emits when: -
    Backpressures when: never.
    Completes when: upstream completes.
    Cancels when: never.
    """

    kind: ClassVar[str] = "ignore"

    def create_logic(self) -> StageLogic:
        """A logic without state."""
        return _IgnoreLogic(self)


class _IgnoreLogic(SinkLogic):
    def consume(self, chunk: Chunk) -> None:
        discard(self, chunk, "ignored")

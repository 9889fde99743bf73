"""single: a source of one element."""

from __future__ import annotations

from typing import Any

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import OUT, Outlet, StageLogic
from rt_edge.streams.stages._source import SourceStage


class Single(SourceStage, frozen=True):
    """Emits one element.

    Emits when: asked.
    Backpressures when: downstream does.
    Completes when: the element was emitted.
    Cancels when: -

    Attributes:
        element: not None.
    """

    element: Any

    def create_logic(self) -> StageLogic:
        """A logic for one element."""
        return _Logic(self.element)


class _Logic(StageLogic):
    def __init__(self, element: Any) -> None:
        self._element = element

    def on_start(self) -> None:
        if self._element is None:
            raise TypeError("None is not an element (rule 2.13)")

    def on_pull(self, outlet: Outlet, n: int) -> None:
        self.push(OUT, Chunk([self._element]))
        self.complete_stage()

"""lazy_source: a source that is made when it is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._lazy import LazySourceLogic
from rt_edge.streams.stages._source import SourceStage


class LazySource(SourceStage, frozen=True):
    """Runs a source that is made when the first element is wanted.

    Emits when: the source does.
    Backpressures when: downstream does.
    Completes when: the source does; it fails when the function raises.
    Cancels when: -

    Attributes:
        function: () -> Source, Publisher, or iterable.
    """

    function: Callable[[], Any]

    def create_logic(self) -> StageLogic:
        """A logic that waits for demand."""
        return LazySourceLogic(self.function)

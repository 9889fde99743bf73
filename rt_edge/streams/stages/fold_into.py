"""fold as the end of a stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import StageLogic, Supervision
from rt_edge.streams.stages._sink import SinkLogic, SinkStage


class FoldInto(SinkStage, frozen=True):
    """Folds all elements; settles them. What it came to is the last state.

    Emits when: -
    Backpressures when: never.
    Completes when: upstream completes.
    Cancels when: the function raises, under `stop`.
    On restart: the state is `zero` again.

    Attributes:
        zero: the first state; must not be changed by `function`, as all runs share it.
        function: (state, element) -> state.
    """

    zero: Any
    function: Callable[[Any, Any], Any]

    def create_logic(self) -> StageLogic:
        """A logic with the state."""
        return FoldIntoLogic(self, self.zero, self.function)


class FoldIntoLogic(SinkLogic):
    """Folds what comes.

    Args:
        stage: the sink.
        zero: the first state.
        function: (state, element) -> state.
    """

    def __init__(self, stage: SinkStage, zero: Any, function: Callable[[Any, Any], Any]) -> None:
        super().__init__(stage)
        self._zero = self.result = zero
        self._function = function

    def consume(self, chunk: Chunk) -> None:
        """Fold it; settle it but for what failed."""
        function, state = self._function, self.result
        failures: list[tuple[int, Exception]] = []
        items = enumerate(chunk.items)
        place, last = -1, len(chunk.items) - 1
        while place < last:
            try:
                for place, item in items:  # noqa: B007 - the place of the guilty element
                    state = function(state, item)
            except Exception as error:  # noqa: BLE001 - whatever user code raises belongs to its element
                failures.append((place, error))
                if self.stage.supervision is Supervision.STOP:
                    break
                if self.stage.supervision is Supervision.RESTART:
                    state = self._zero
        self.result = state
        self.settle_but(chunk, failures)

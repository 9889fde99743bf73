"""reduce as the end of a stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rt_edge.streams.stage import Inlet, StageLogic
from rt_edge.streams.stages._sink import SinkStage
from rt_edge.streams.stages.fold_into import FoldIntoLogic
from rt_edge.streams.stages.reduce import NOTHING, from_first, no_element


class ReduceInto(SinkStage, frozen=True, kw_only=True):
    """Folds all elements, the first is the first state; settles them. What it came to is the last state; without one it fails.

    Emits when: -
    Backpressures when: never.
    Completes when: upstream completes.
    Cancels when: the function raises, under `stop`.
    On restart: the next element is the state.

    Attributes:
        function: (state, element) -> state.
    """

    function: Callable[[Any, Any], Any]

    def create_logic(self) -> StageLogic:
        """A logic with the state."""
        return _ReduceLogic(self, NOTHING, from_first(self.function))


class _ReduceLogic(FoldIntoLogic):
    def on_upstream_finish(self, inlet: Inlet) -> None:
        if self.result is NOTHING:
            self.fail_stage(no_element(self.ctx.name))
        else:
            self.end()

    def on_stop(self, error: BaseException | None) -> None:
        self.result = None if self.result is NOTHING else self.result
        super().on_stop(error)

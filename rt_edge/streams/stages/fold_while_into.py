"""fold_while as the end of a stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import IN, Inlet, StageLogic, Supervision
from rt_edge.streams.stages._common import discard
from rt_edge.streams.stages._sink import SinkLogic, SinkStage


class FoldWhileInto(SinkStage, frozen=True, kw_only=True):
    """Folds elements as long as a predicate on the state is true; settles them. What it came to is the last state.

    What had come behind is settled as dropped, `cancelled`.

    Emits when: -
    Backpressures when: never.
    Completes when: the predicate is false, or upstream completes.
    Cancels when: the predicate is false; or the function raises, under `stop`.
    On restart: the state is `zero` again.

    Attributes:
        zero: the first state; must not be changed by `function`, as all runs share it.
        predicate: state -> truth: whether to go on.
        function: (state, element) -> state.
    """

    zero: Any
    predicate: Callable[[Any], Any]
    function: Callable[[Any, Any], Any]

    def create_logic(self) -> StageLogic:
        """A logic with the state."""
        return _Logic(self)


class _Logic(SinkLogic):
    stage: FoldWhileInto

    def on_start(self) -> None:
        self.result = self.stage.zero
        if self.stage.predicate(self.result):
            super().on_start()
        else:
            self.end()

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        stage, came = self.stage, len(chunk)
        failures: list[tuple[int, Exception]] = []
        for place, item in enumerate(chunk.items):
            try:
                state = stage.function(self.result, item)
                goes_on = stage.predicate(state)
            except Exception as error:  # noqa: BLE001 - whatever user code raises belongs to its element
                failures.append((place, error))
                if stage.supervision is Supervision.STOP:
                    break
                if stage.supervision is Supervision.RESTART:
                    self.result = stage.zero
                continue
            self.result = state
            if not goes_on:
                if place + 1 < came:
                    chunk, behind = chunk.cut(place + 1)
                    discard(self, behind, "cancelled")
                self.settle_but(chunk, failures)
                self.end()
                return
        self.settle_but(chunk, failures)
        self.request(IN, came)

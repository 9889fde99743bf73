"""fold_while: one result of the elements that come until it is enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import IN, Hold, Inlet, ReceiptUse, StageLogic, Supervision
from rt_edge.streams.stages._common import Combining, OnError, discard, intake
from rt_edge.streams.stages.fold import FoldLogic


class FoldWhile(Combining, frozen=True, kw_only=True):
    """Emits the result of folding elements as long as a predicate on the result is true, once.

    What had come behind is settled as dropped, `cancelled`.

    Emits when: upstream completes, or the predicate is false.
    Backpressures when: downstream does not ask at all.
    Completes when: upstream completes or the predicate is false, and the result was emitted.
    Cancels when: the predicate is false, or downstream cancels.
    On restart: the state is `zero` again, and all elements folded so far fail.

    Attributes:
        zero: the first state; must not be changed by `function`, as all runs share it.
        predicate: state -> truth: whether to go on.
        function: (state, element) -> state.
        on_error: stop, resume or restart; see `UserCode`.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    zero: Any
    predicate: Callable[[Any], Any]
    function: Callable[[Any, Any], Any]
    on_error: OnError = "stop"

    @property
    def supervision(self) -> Supervision:
        """By `on_error`."""
        return Supervision(self.on_error)

    def holds(self) -> Hold:
        """Every element until the end, unless it settles early."""
        return Hold(0 if self.settle == "early" else None)

    def create_logic(self) -> StageLogic:
        """A logic with the state."""
        return _Logic(self)


class _Logic(FoldLogic):
    def __init__(self, stage: FoldWhile) -> None:
        super().__init__(stage, stage.zero, stage.function)
        self._predicate = stage.predicate

    def on_start(self) -> None:
        super().on_start()
        if not self._predicate(self._zero):
            self._end()

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        came = len(chunk)
        kept: Chunk | None = intake(self._stage, chunk)
        while kept is not None:
            place, enough, error = self._fold(kept.items)
            if error is not None:
                kept = self.refuse(kept, place, error)
                continue
            self._failing = False
            if enough and place + 1 < len(kept):
                kept, behind = kept.cut(place + 1)
                discard(self, behind, "cancelled")
            self.keep(kept)
            if enough:
                self._end()
                return
            break
        self.request(IN, came)

    def _fold(self, items: Sequence[Any]) -> tuple[int, bool, Exception | None]:
        """The place of the last element that was folded, whether it is enough, and what failed there."""
        place = 0
        function, predicate = self._function, self._predicate
        try:
            for place, item in enumerate(items):
                state = function(self._state, item)
                goes_on = predicate(state)
                self._state = state
                if not goes_on:
                    return place, True, None
        except Exception as error:  # noqa: BLE001 - whatever user code raises belongs to its element
            return place, False, error
        return place, False, None

    def _end(self) -> None:
        self.cancel(IN)
        self.on_upstream_finish(IN)

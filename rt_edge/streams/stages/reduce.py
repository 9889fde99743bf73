"""reduce: one result of all elements, which begins with the first of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import StreamError
from rt_edge.streams.stage import Hold, Inlet, ReceiptUse, StageLogic, Supervision
from rt_edge.streams.stages._common import Combining, OnError
from rt_edge.streams.stages.fold import FoldLogic

NOTHING = object()
"""The state before the first element."""


class Reduce(Combining, frozen=True, kw_only=True):
    """Emits the result of folding all elements, once; the first element is the first state.

    Emits when: upstream completes.
    Backpressures when: downstream does not ask at all.
    Completes when: upstream completes and the result was emitted; without an element it fails.
    Cancels when: downstream cancels.
    On restart: the next element is the state, and all elements folded so far fail.

    Attributes:
        function: (state, element) -> state.
        on_error: stop, resume or restart; see `UserCode`.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

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
        return _Logic(self, NOTHING, from_first(self.function))


class _Logic(FoldLogic):
    def on_upstream_finish(self, inlet: Inlet) -> None:
        if self._state is NOTHING:
            self.fail_stage(no_element(self.ctx.name))
        else:
            super().on_upstream_finish(inlet)

    def residue(self) -> list[Chunk]:
        return [] if self._state is NOTHING else super().residue()


def from_first(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """`function`, but the first element after `NOTHING` is the state."""

    def step(state: Any, element: Any) -> Any:
        return element if state is NOTHING else function(state, element)

    return step


def no_element(name: str) -> StreamError:
    """What a stage says that needed at least one element."""
    return StreamError(f"{name}: the stream ended without an element")

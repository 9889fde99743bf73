"""fold_async: one result of all elements, by a coroutine function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk, join
from rt_edge.streams.stage import IN, OUT, Hold, ReceiptUse, StageLogic, Supervision
from rt_edge.streams.stages._common import Combining, OnError, bare, intake, settle_rest
from rt_edge.streams.stages._stepping import StepLogic


class FoldAsync(Combining, frozen=True, kw_only=True):
    """Emits the result of folding all elements by a coroutine function, one after the other, once.

    Emits when: upstream completes and the last coroutine has ended.
    Backpressures when: downstream does not ask at all, or coroutines are slower than elements come.
    Completes when: upstream completes and the result was emitted.
    Cancels when: downstream cancels; the coroutine that is under way is cancelled.
    On restart: the state is `zero` again, and all elements folded so far fail.

    Attributes:
        zero: the first state; must not be changed by `function`, as all runs share it.
        function: (state, element) -> awaitable of the state; that is not None.
        on_error: stop, resume or restart; see `UserCode`.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    zero: Any
    function: Callable[[Any, Any], Awaitable[Any]]
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


class _Logic(StepLogic):
    def __init__(self, stage: FoldAsync) -> None:
        super().__init__(stage, stage.zero, stage.function)
        self._stage = stage
        self._parts: list[Chunk] = []

    def intake(self, chunk: Chunk) -> Chunk:
        return intake(self._stage, chunk)

    def ask(self) -> None:
        """A chunk at a time."""
        n = CHUNK_ELEMENTS - self.held - self.requested(IN)
        if self.demand(OUT) > 0 and n > 0 and not self._over and not self.has_failed:
            self.request(IN, n)

    def stepped(self, piece: Chunk, states: Sequence[Any]) -> None:
        if piece.receipt is not None:
            self._parts.append(bare(piece))

    def restarted(self, error: Exception) -> None:
        settle_rest(self, self._parts, error)
        self._parts = []

    def done(self) -> None:
        self.out.put(self._result())
        super().done()

    def _result(self) -> Chunk:
        parts, self._parts = self._parts, []
        return join([self.state], parts)

    def on_stop(self, error: BaseException | None) -> None:
        super().on_stop(error)
        settle_rest(self, self._parts, error)
        self._parts = []

    def residue(self) -> list[Chunk]:
        """The state so far, and the elements that wait, raw."""
        self._release()
        ready = self.out.take_all() if self.finished else [self._result()]
        return ready + self._take_waiting()

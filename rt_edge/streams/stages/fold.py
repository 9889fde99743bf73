"""fold: one result of all elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk, join
from rt_edge.streams.stage import IN, OUT, Hold, Inlet, ReceiptUse, StageLogic, Supervision
from rt_edge.streams.stages._common import Combining, OnError, bare, intake, named, note_failures, settle_rest
from rt_edge.streams.stages._outbox import OutboxLogic


class Fold(Combining, frozen=True, kw_only=True):
    """Emits the result of folding all elements, once.

    Emits when: upstream completes.
    Backpressures when: downstream does not ask at all.
    Completes when: upstream completes and the result was emitted.
    Cancels when: downstream cancels.
    On restart: the state is `zero` again, and all elements folded so far fail.

    Attributes:
        zero: the first state; must not be changed by `function`, as all runs share it.
        function: (state, element) -> state.
        on_error: stop, resume or restart; see `UserCode`.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    zero: Any
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
        return FoldLogic(self, self.zero, self.function)


class FoldLogic(OutboxLogic):
    """Folds what comes; emits the state at the end.

    Args:
        stage: whose `settle` and `supervision` count.
        zero: the first state.
        function: (state, element) -> state.
    """

    def __init__(self, stage: Combining, zero: Any, function: Callable[[Any, Any], Any]) -> None:
        self._stage = stage
        self._zero = self._state = zero
        self._function = function
        self._parts: list[Chunk] = []
        self._failing = False

    def ask(self) -> None:
        """A chunk at a time."""
        n = CHUNK_ELEMENTS - self.requested(IN)
        if self.demand(OUT) > 0 and n > 0:
            self.request(IN, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Fold it."""
        came = len(chunk)
        function, state = self._function, self._state
        kept: Chunk | None = intake(self._stage, chunk)
        place = 0
        while kept is not None:
            try:
                for place, item in enumerate(kept.items):  # noqa: B007 - the place of the guilty element
                    state = function(state, item)
            except Exception as error:  # noqa: BLE001 - whatever user code raises belongs to its element
                self._state = state
                kept = self.refuse(kept, place, error)
                state = self._state
            else:
                self.keep(kept)
                self._failing = False
                break
        self._state = state
        self.request(IN, came)

    def keep(self, chunk: Chunk) -> None:
        """Hold the receipt of what was folded."""
        if chunk.receipt is not None:
            self._parts.append(bare(chunk))

    def refuse(self, chunk: Chunk, place: int, error: Exception) -> Chunk | None:
        """Fail the guilty element; returns what is still to be folded."""
        note_failures(self, [(place, error)])
        self._failing = True
        policy = self._stage.supervision
        good, rest = chunk.cut(place) if place else (None, chunk)
        if good is not None:
            self.keep(good)
        if policy is Supervision.STOP:
            rest.fail(named(self, error))
            self.fail_stage(error)
            return None
        guilty, remaining = rest.cut(1) if len(rest) > 1 else (rest, None)
        guilty.fail(named(self, error))
        if policy is Supervision.RESTART:
            self.ctx.count("restarts")
            settle_rest(self, self._parts, error)
            self._parts = []
            self._state = self._zero
        return remaining

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Emit the state."""
        if self._state is None:
            self.fail_stage(TypeError("None is not an element (rule 2.13)"))
            return
        self.out.put(self.result())
        super().on_upstream_finish(inlet)

    def result(self) -> Chunk:
        """The state, with the receipts of all that went in; nothing is held afterwards."""
        parts, self._parts = self._parts, []
        return join([self._state], parts)

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what is held."""
        super().on_stop(error)
        settle_rest(self, self._parts, error)
        self._parts = []

    def residue(self) -> list[Chunk]:
        """The state so far."""
        return super().residue() if self.finished or self._state is None else [self.result()]

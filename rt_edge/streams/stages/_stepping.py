"""Stepping: a state that a coroutine function makes anew with each element, one after the other: `scan_async`, `fold_async`."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.stage import IN, OUT, Inlet, Stage, Supervision
from rt_edge.streams.stages._common import named, note_failures, settle_rest
from rt_edge.streams.stages._outbox import OutboxLogic


class StepLogic(OutboxLogic):
    """Calls `function` with the state and one element at a time; an element waits until the one before it is done.

    Args:
        stage: whose `supervision` counts.
        zero: the first state.
        function: (state, element) -> awaitable of the state.
    """

    def __init__(self, stage: Stage, zero: Any, function: Callable[[Any, Any], Awaitable[Any]]) -> None:
        self._policy = stage.supervision
        self._zero = self.state = zero
        self._function = function
        self._waiting: deque[Chunk] = deque(maxlen=CHUNK_ELEMENTS)
        self._current: Chunk | None = None
        self._over = False  # upstream has completed
        self._failing = False

    def stepped(self, piece: Chunk) -> None:
        """The state is that after the one element of `piece`."""
        raise NotImplementedError

    def done(self) -> None:
        """Upstream has completed, and no element is left."""
        super().on_upstream_finish(IN)

    def restarted(self, error: Exception) -> None:
        """The state is the first one again."""

    def intake(self, chunk: Chunk) -> Chunk:
        """What is kept of a chunk that has come."""
        return chunk

    def ask(self) -> None:
        """One element for each that is wanted, a chunk at most."""
        held = sum(map(len, self._waiting)) + (self._current is not None) + self.out.elements
        n = min(self.demand(OUT), CHUNK_ELEMENTS) - held - self.requested(IN)
        if n > 0 and not self._over:
            self.request(IN, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Begin with it, or let it wait."""
        self._waiting.append(self.intake(chunk))
        self._next()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Go on with what waits."""
        self._over = True
        self._next()

    def _next(self) -> None:
        if self._current is not None:
            return
        if not self._waiting:
            if self._over:
                self.done()
            return
        chunk = self._waiting.popleft()
        if len(chunk) > 1:
            chunk, rest = chunk.cut(1)
            self._waiting.appendleft(rest)
        self._current = chunk
        self.ctx.spawn(self._call(chunk.items[0]), self._came)

    async def _call(self, item: Any) -> Any:
        state = await self._function(self.state, item)
        if state is None:
            raise TypeError("None is not an element (rule 2.13)")
        return state

    def _came(self, state: Any, error: BaseException | None) -> None:
        piece, self._current = self._current, None
        if piece is None:
            return
        if error is None:
            self._failing = False
            self.state = state
            self.stepped(piece)
        else:
            self._failed(piece, error if isinstance(error, Exception) else RuntimeError(repr(error)))
            if self._policy is Supervision.STOP:
                return
        self._next()
        if not self._over:
            self.proceed()

    def _failed(self, piece: Chunk, error: Exception) -> None:
        note_failures(self, [(0, error)])
        self._failing = True
        piece.fail(named(self, error))
        if self._policy is Supervision.RESTART:
            self.ctx.count("restarts")
            self.state = self._zero
            self.restarted(error)
        elif self._policy is Supervision.STOP:
            self.fail_behind(OUT, error)
            self.fail_stage(error)

    def _take_waiting(self) -> list[Chunk]:
        waiting = [*([self._current] if self._current is not None else []), *self._waiting]
        self._current = None
        self._waiting.clear()
        return waiting

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what is held; the call that is under way was cancelled."""
        super().on_stop(error)
        settle_rest(self, self._take_waiting(), error)

    def residue(self) -> list[Chunk]:
        """What is ready, and the elements that wait, raw."""
        return super().residue() + self._take_waiting()

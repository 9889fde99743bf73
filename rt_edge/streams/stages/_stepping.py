"""Stepping: a state that a coroutine function makes anew with each element, one after the other: `scan_async`, `fold_async`.

A task for each element would cost more than most coroutines do. So a task takes up to `BURST` elements, one after the other; what
is done goes out when one of them has to wait, at the latest when the task ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain, islice
from typing import Any

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.stage import IN, OUT, Inlet, Outlet, Stage, Supervision
from rt_edge.streams.stages._common import fail_behind, named, note_failures, settle_rest
from rt_edge.streams.stages._outbox import OutboxLogic

BURST = 64
"""Elements of a task before others have the loop, though none of them made it wait."""


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
        self._states: list[Any] = []  # after each of the first elements that wait, which are done
        self._cancel: Callable[[], None] | None = None  # of the task
        self._collecting = False
        self._over = False  # upstream has completed
        self._failing = False
        self._failure: Exception | None = None

    def stepped(self, piece: Chunk, states: Sequence[Any]) -> None:
        """These elements are done; the state after each of them."""
        raise NotImplementedError

    def done(self) -> None:
        """Upstream has completed, and no element is left."""
        super().on_upstream_finish(IN)

    def restarted(self, error: Exception) -> None:
        """The state is the first one again."""

    def intake(self, chunk: Chunk) -> Chunk:
        """What is kept of a chunk that has come."""
        return chunk

    @property
    def held(self) -> int:
        """Elements that wait, or are worked on."""
        return sum(map(len, self._waiting))

    @property
    def has_failed(self) -> bool:
        """Whether an error follows what is still to go out."""
        return self._failure is not None

    def ask(self) -> None:
        """One element for each that is wanted, a chunk at most."""
        n = min(self.demand(OUT), CHUNK_ELEMENTS) - self.held - self.out.elements - self.requested(IN)
        if n > 0 and not self._over and not self.has_failed:
            self.request(IN, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Begin with it, or let it wait."""
        self._waiting.append(self.intake(chunk))
        self._next()

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """Ask, and hand on what is ready; an error follows it."""
        super().on_pull(outlet, n)
        self._fail_if_out()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Go on with what waits."""
        self._over = True
        self._next()

    # -- the task ------------------------------------------------------------------------------------------------------

    def _next(self) -> None:
        if self._cancel is not None or self._failure is not None:
            return
        if self._waiting:
            items = list(islice(chain.from_iterable(chunk.items for chunk in self._waiting), BURST))
            self._cancel = self.ctx.spawn(self._work(items), self._came)
        elif self._over:
            self.done()

    async def _work(self, items: Sequence[Any]) -> None:
        function = self._function
        for item in items:
            state = await function(self.state, item)
            if state is None:
                raise TypeError("None is not an element (rule 2.13)")
            self.state = state
            self._states.append(state)
            if not self._collecting:
                self._collecting = True
                self.ctx.soon(self._collect)

    def _collect(self) -> None:
        """In a turn of its own, once for all that was done since the last."""
        self._collecting = False
        if self._release() and not self._over:
            self.proceed()

    def _release(self) -> bool:
        states, self._states = self._states, []
        some = bool(states)
        if some:
            self._failing = False
        while states:
            piece = self._waiting.popleft()
            if len(piece) > len(states):
                piece, rest = piece.cut(len(states))
                self._waiting.appendleft(rest)
            self.stepped(piece, states[: len(piece)])
            del states[: len(piece)]
        return some

    def _came(self, _: None, error: BaseException | None) -> None:
        self._cancel = None
        self._release()
        if error is not None:
            self._failed(error if isinstance(error, Exception) else RuntimeError(repr(error)))
        self._next()
        if not self._over:
            self.proceed()

    def _failed(self, error: Exception) -> None:
        """The first element that waits is the one that was worked on."""
        piece = self._waiting.popleft()
        if len(piece) > 1:
            piece, rest = piece.cut(1)
            self._waiting.appendleft(rest)
        note_failures(self, [(0, error)])
        self._failing = True
        piece.fail(named(self, error))
        if self._policy is Supervision.RESTART:
            self.ctx.count("restarts")
            self.state = self._zero
            self.restarted(error)
        elif self._policy is Supervision.STOP:
            self._failure = error
            self.cancel(IN, error)
            settle_rest(self, self._take_waiting(), error)
            self._fail_if_out()

    def _fail_if_out(self) -> None:
        if self._failure is not None and not self.out:
            fail_behind(self, self._failure)

    # -- the end -------------------------------------------------------------------------------------------------------

    def _take_waiting(self) -> list[Chunk]:
        if self._cancel is not None:
            self._cancel()
            self._cancel = None
        waiting = list(self._waiting)
        self._waiting.clear()
        self._states = []
        return waiting

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what is held; the call that is under way was cancelled."""
        super().on_stop(error)
        settle_rest(self, self._take_waiting(), error)

    def residue(self) -> list[Chunk]:
        """What is ready, and the elements that wait, raw."""
        self._release()
        return super().residue() + self._take_waiting()

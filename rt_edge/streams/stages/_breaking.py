"""The logic of `circuit_breaker`: calls that wait for their breaker, and go out in the order of their elements."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

from rt_edge.data.chunk import Chunk
from rt_edge.streams.breaker import Breaker, CallTimeout, CircuitOpen, State
from rt_edge.streams.stage import IN, OUT, Inlet, Outlet, StageLogic, Supervision
from rt_edge.streams.stages._common import discard, fail_behind, named, note_failures, settle_rest
from rt_edge.streams.stages._outbox import Outbox

if TYPE_CHECKING:
    from rt_edge.streams.stages.circuit_breaker import CircuitBreaker

_COUNTERS = {
    ("closed", "open"): "breaker_opened",
    ("half_open", "open"): "breaker_reopened",
    ("open", "half_open"): "breaker_probing",
    ("half_open", "closed"): "breaker_closed",
}
RETRY = "retry"
"""Key of the timer that ends the wait of an open breaker."""


class _Call:
    """An element: it waits, or its function was called, or it is done (without a chunk: it goes no further)."""

    __slots__ = ("cancel", "chunk", "done", "lap")

    def __init__(self, chunk: Chunk) -> None:
        self.chunk: Chunk | None = chunk
        self.cancel: Callable[[], None] | None = None
        self.lap = -1
        self.done = False


class BreakerLogic(StageLogic):
    """Calls the function for each element as its breaker allows.

    Args:
        stage: the function, and what becomes of what is rejected.
        random: jitter.
    """

    def __init__(self, stage: CircuitBreaker, random: Random) -> None:
        self._stage = stage
        self._breaker = Breaker(stage.limits, random, self._changed)
        self._calls: deque[_Call] = deque(maxlen=stage.parallelism)
        self._finished = False
        self._failure: BaseException | None = None
        self._failing = False

    def on_start(self) -> None:
        """Results wait in an outbox for the demand they were asked under."""
        self._out = Outbox(self, bound=self._stage.parallelism)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """As many as are wanted, and can be inside."""
        self._ask()
        self._out.flush()
        self._complete_if_over()

    def _ask(self) -> None:
        if self._finished or self.is_closed(IN):
            return
        n = min(self.demand(OUT), self._stage.parallelism) - len(self._calls) - self._out.elements - self.requested(IN)
        if n > 0:
            self.request(IN, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Call, if that is allowed now."""
        self._calls.extend(_Call(chunk.take([place])) for place in range(len(chunk)))
        self._begin()
        self._emit()

    def _begin(self) -> None:
        """The calls that may be made now, in order."""
        breaker, rejected = self._breaker, self._stage.rejected
        for call in list(self._calls):
            if call.cancel is not None or call.done or call.chunk is None:
                continue
            now = self.ctx.clock.monotonic()
            if breaker.allows(now):
                call.lap = breaker.begin()
                call.cancel = self.ctx.spawn(_made(self._stage.function, call.chunk.items[0]), self._told(call))
                self.ctx.after(float(self._stage.call_timeout), call)
            elif rejected == "hold":
                if breaker.state == "open":
                    self.ctx.after(breaker.retry_at - now, RETRY)
                return
            else:
                self._reject(call, call.chunk)

    def _reject(self, call: _Call, chunk: Chunk) -> None:
        call.chunk, call.done = None, True
        self.ctx.count("rejected")
        if self._stage.rejected == "drop":
            discard(self, chunk, "circuit_open")
        else:
            chunk.fail(named(self, CircuitOpen("the circuit breaker is open", f"it probes {self._stage.reset_min} s after that")))

    def _told(self, call: _Call) -> Callable[[Any, BaseException | None], None]:
        def told(result: Any, error: BaseException | None) -> None:
            self.ctx.cancel_timer(call)
            if call.done or call.chunk is None:
                return
            if error is None and result is None:
                error = TypeError("None is not an element (rule 2.13)")
            if error is None:
                self._breaker.succeeded(call.lap)
                call.chunk, call.done = call.chunk.replace([result]), True
                self._failing = False
            else:
                self._failed(call, call.chunk, error)
            self._begin()
            self._emit()

        return told

    def on_timer(self, key: object) -> None:
        """A call took too long, or an open breaker may probe."""
        if isinstance(key, _Call) and key.chunk is not None and key.cancel is not None:
            key.cancel()
            self.ctx.count("timeouts")
            self._failed(key, key.chunk, CallTimeout(f"a call took longer than {self._stage.call_timeout} s"))
        self._begin()
        self._emit()

    def _failed(self, call: _Call, chunk: Chunk, error: BaseException) -> None:
        note_failures(self, [(0, error)])  # type: ignore[list-item]  # a call that is cancelled ends with an Exception, too
        self._failing = True
        self._breaker.failed(self.ctx.clock.monotonic(), lap=call.lap)
        call.chunk, call.done = None, True
        chunk.fail(named(self, error))
        if self._stage.supervision is Supervision.STOP:
            self._fail(call, error)
        elif self._stage.supervision is Supervision.RESTART:
            self.ctx.count("restarts")

    def _fail(self, failed: _Call, error: BaseException) -> None:
        """Under `stop`: what is behind the failed element fails too; what is before it is waited for, and goes out."""
        self._failure = error
        self.cancel(IN, error)
        while self._calls[-1] is not failed:
            self._give_up(call := self._calls.pop())
            if call.chunk is not None:
                call.chunk.fail(named(self, error))

    def _emit(self) -> None:
        calls = self._calls
        while calls and calls[0].done:
            chunk = calls.popleft().chunk
            if chunk is not None:
                self._out.put(chunk)
        if self.is_free(OUT):
            self._ask()
        else:
            self.pull_again(OUT)
        self._complete_if_over()

    def _complete_if_over(self) -> None:
        if self._calls or self._out:
            return
        if self._failure is not None:
            fail_behind(self, self._failure)
        elif self._finished:
            self.complete_stage()

    def _changed(self, before: State, state: State) -> None:
        self.ctx.count(_COUNTERS[before, state])
        if state != "open":
            self.ctx.cancel_timer(RETRY)
        if self._stage.listener is not None:
            self._stage.listener(before, state)

    def _give_up(self, call: _Call) -> None:
        self.ctx.cancel_timer(call)
        if call.cancel is not None and not call.done:
            call.cancel()
            self._breaker.abandoned(call.lap)

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Complete as soon as the last result has gone out."""
        self._finished = True
        self._complete_if_over()

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what is held; calls and timers end with the stage."""
        settle_rest(self, self.residue(), error)

    def residue(self) -> list[Chunk]:
        """Results that wait, then the elements that have none so far, raw; their calls are cancelled."""
        chunks = self._out.take_all()
        for call in self._calls:
            self._give_up(call)
            if call.chunk is not None:
                chunks.append(call.chunk)
        self._calls.clear()
        return chunks


async def _made(function: Callable[[Any], Any], item: Any) -> Any:
    result = function(item)
    return await result if inspect.isawaitable(result) else result

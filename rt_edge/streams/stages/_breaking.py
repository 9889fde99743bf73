"""The logic of `circuit_breaker`: calls that wait for their breaker, and go out in the order of their elements."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

from rt_edge.data.chunk import Chunk
from rt_edge.streams.breaker import Breaker, CallTimeout, CircuitOpen, State
from rt_edge.streams.stages._common import discard, named
from rt_edge.streams.stages._questions import Question, QuestionsLogic

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


class BreakerLogic(QuestionsLogic):
    """Calls the function for each element as its breaker allows.

    Args:
        stage: the function, and what becomes of what is rejected.
        random: jitter.
    """

    def __init__(self, stage: CircuitBreaker, random: Random) -> None:
        super().__init__(stage, stage.parallelism)
        self._stage = stage
        self._breaker = Breaker(stage.limits, random, self._changed)

    def begin_all(self) -> None:
        """The calls that may be made now, in order; the others wait, or are rejected."""
        breaker = self._breaker
        for call in list(self.questions):
            if call.cancel is not None or call.done:
                continue
            now = self.ctx.clock.monotonic()
            if breaker.allows(now):
                self.begin(call)
            elif self._stage.rejected == "hold":
                if breaker.state == "open":
                    self.ctx.after(breaker.retry_at - now, RETRY)
                return
            else:
                self._reject(call, call.chunk)

    def begin(self, question: Question) -> None:
        """Make a call."""
        question.lap = self._breaker.begin()
        work = _made(self._stage.function, question.chunk.items[0])
        question.cancel = self.ctx.spawn(work, lambda result, error: self.told(question, result, error))
        self.ctx.after(float(self._stage.call_timeout), question)

    def _reject(self, call: Question, chunk: Chunk) -> None:
        self.leave(call)
        self.ctx.count("rejected")
        if self._stage.rejected == "drop":
            discard(self, chunk, "circuit_open")
        else:
            chunk.fail(named(self, CircuitOpen("the circuit breaker is open", "its probes say when it works again")))

    def on_timer(self, key: object) -> None:
        """A call took too long, or an open breaker may probe."""
        if isinstance(key, Question) and key.cancel is not None:
            key.cancel()
            self.ctx.count("timeouts")
            self.told(key, None, CallTimeout(f"a call took longer than {self._stage.call_timeout} s"))
        else:
            self.advance()

    def noted(self, question: Question, error: BaseException | None) -> None:
        """Tell the breaker."""
        self.ctx.cancel_timer(question)
        if error is None:
            self._breaker.succeeded(question.lap)
        else:
            self._breaker.failed(self.ctx.clock.monotonic(), lap=question.lap)

    def give_up(self, question: Question) -> None:
        """Leaves room for another probe."""
        if question.cancel is not None and not question.done:
            self.ctx.cancel_timer(question)
            self._breaker.abandoned(question.lap)
        super().give_up(question)

    def _changed(self, before: State, state: State) -> None:
        self.ctx.count(_COUNTERS[before, state])
        if state != "open":
            self.ctx.cancel_timer(RETRY)
        if self._stage.listener is not None:
            self._stage.listener(before, state)


async def _made(function: Callable[[Any], Any], item: Any) -> Any:
    result = function(item)
    return await result if inspect.isawaitable(result) else result

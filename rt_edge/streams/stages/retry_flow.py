"""retry_flow: each element through a flow, again after a wait when that fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

from rt_edge.data.chunk import FILTERED, Chunk
from rt_edge.data.errors import ConfigError, StreamError
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.nested import NestingLogic, Substream, inner_part
from rt_edge.streams.stage import IN, OUT, Hold, Inlet, ReceiptUse, StageLogic
from rt_edge.streams.stages._backoff import Backoff, Retrying
from rt_edge.streams.stages._common import at_least, discard, named, settle_rest


class RetryFlow(Retrying, frozen=True, kw_only=True):
    """Runs one element after the other through a flow of its own, and again after a wait when the flow fails or a function says
    so, up to `attempts` times.

    Emits when: the flow has given one element and completed, or gave what needs no further attempt.
    Backpressures when: downstream does, or an element is under way or waits for its next attempt.
    Completes when: upstream completes and the last element is done with.
    Cancels when: downstream cancels; the attempts of an element are used up, under `stop`.
    On restart: is not restarted.

    Attributes:
        flow: a Flow, or a stage, which gives one element for one; what gives none settles the element as dropped, `filtered`.
        steps: the flow in a configuration: steps as in a graph.
        attempts: of an element, the first one counted.
        again: (element, result) -> the element of the next attempt, or None if the result is good; None: every result is.
        on_error: when attempts are used up. resume: the element fails. stop: so does the stage.
    """

    kind: ClassVar[str] = "retry_flow"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD
    shorthand: ClassVar[str] = "steps"

    flow: Any = None
    steps: list[Any] = []
    attempts: int = 3
    again: Any = None
    on_error: Literal["stop", "resume"] = "resume"

    def __post_init__(self) -> None:
        """Refuse what is no flow, and no attempt."""
        super().__post_init__()
        at_least(1, attempts=self.attempts)
        if self.again is not None and not callable(self.again):
            raise ConfigError("again has to be a function", "leave it out in a configuration")
        self.part()

    def part(self) -> Blueprint:
        """What each element goes through."""
        part = inner_part(self.flow, self.steps)
        if part is None:
            raise ConfigError("there is nothing to be tried again", "say what: steps: [...]")
        return part

    def holds(self) -> Hold:
        """The element under way, and its result."""
        return Hold(2, 0.0)

    def create_logic(self) -> StageLogic:
        """A logic with the element under way."""
        return _Logic(self)


class _Logic(NestingLogic):
    def __init__(self, stage: RetryFlow) -> None:
        self._stage = stage
        self._part = stage.part()
        self._again: Callable[[Any, Any], Any] | None = stage.again
        self._piece: Chunk | None = None  # under way, with the receipt that the flow does not see
        self._element: Any = None
        self._results: list[Any] = []
        self._backoff = Backoff(stage)

    def ask(self) -> None:
        for sub in self.nest:
            sub.request(1 - sub.requested)
        if self._piece is None and not self.out and not self.requested(IN) and not self.upstream_done and self.demand(OUT) > 0:
            self.request(IN, 1)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self._piece = chunk
        self._element = chunk.items[0]
        self._backoff.failures = 0
        self._attempt()

    def on_timer(self, key: object) -> None:
        self._attempt()

    def _attempt(self) -> None:
        self._results = []
        sub = self.nest.start(self._part, inlets=1)
        sub.send(Chunk([self._element]))
        sub.finish()
        sub.request(1)

    def sub_pushed(self, sub: Substream, chunk: Chunk) -> None:
        self._results += chunk.items
        chunk.settle()
        if len(self._results) > 1:
            sub.stop()
            self._give_up(StreamError("the flow gave more than one element for one"))
        else:
            sub.request(1)

    def sub_ended(self, sub: Substream, error: BaseException | None) -> None:
        if error is None and self._again is not None and self._results:
            try:
                element = self._again(self._element, self._results[0])
            except Exception as wrong:  # noqa: BLE001 - whatever user code raises belongs to its element
                self.ctx.count("errors")
                self._give_up(wrong)
                return
            if element is not None:
                self._element = element
                error = StreamError(f"{self._results[0]!r} was not good enough")
        if error is None:
            self._done()
        elif self._backoff.failures + 1 >= self._stage.attempts:
            self._give_up(error)
        else:
            self.ctx.count("retries")
            self.ctx.after(self._backoff.next(), "attempt")

    def _done(self) -> None:
        piece, self._piece = self._piece, None
        if piece is not None:
            if self._results:
                self.out.put(piece.replace([self._results[0]]))
            else:
                discard(self, piece, FILTERED)
        self._go_on()

    def _give_up(self, error: BaseException) -> None:
        piece, self._piece = self._piece, None
        self.ctx.count("given_up")
        if piece is not None:
            piece.fail(named(self, error))
        if self._stage.on_error == "stop":
            self.fail_after(error)
        else:
            self._go_on()

    def _go_on(self) -> None:
        if self.upstream_done:
            self.finish()
        else:
            self.proceed()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        self.upstream_done = True
        if self._piece is None:
            self.finish()

    def on_stop(self, error: BaseException | None) -> None:
        super().on_stop(error)
        settle_rest(self, [self._piece] if self._piece is not None else [], error)
        self._piece = None

    def residue(self) -> list[Chunk]:
        """The result, then the element under way, raw."""
        for sub in self.nest:
            sub.stop()
        piece, self._piece = self._piece, None
        return [*self.out.take_all(), *([piece] if piece is not None else [])]

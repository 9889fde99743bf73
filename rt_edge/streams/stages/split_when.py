"""split_when: a stream cut into streams, each with a flow of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.data.errors import ConfigError
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.nested import NestingLogic, Substream, inner_combines, inner_hold, inner_part, too_few
from rt_edge.streams.stage import IN, Hold, Inlet, ReceiptUse, StageLogic, Supervision
from rt_edge.streams.stages._common import ReadingCode, at_least, discard, named, settle_rest
from rt_edge.streams.stages._keys import check_value, value_runner
from rt_edge.streams.stages._user_code import ElementLogic

ENDED = "substream_ended"
"""The reason of an element whose part's flow has ended by itself."""

MOST = 1024
"""Flows at a time, at most."""


class SplitWhen(ReadingCode, frozen=True, kw_only=True):
    """Cuts the stream where a condition is true, and runs each part through a flow of its own.

    Elements behind the end of a flow that ended by itself (`take`) are settled as dropped, `substream_ended`, up to the cut.

    Emits when: a flow has an element.
    Backpressures when: downstream does, the flow of the current part does, or `breadth` flows run and the next part begins.
    Completes when: upstream completes and all flows have.
    Cancels when: downstream cancels; the condition cannot be evaluated or a flow fails, under `stop`.
    On restart: all flows are stopped, and what they hold fails; the next element begins a part.

    Attributes:
        where: expression on a reading, or function of an element.
        flow: a Flow, or a stage; one run of it for each part.
        steps: the flow in a configuration: steps as in a graph.
        after: false: the element for which it is true is the first of its part. true: it is the last.
        breadth: flows at a time: with 1 the parts stay in order, the next begins when the flow before it has ended.
        on_error: what to do when the condition cannot be evaluated or a flow fails. resume: the element fails, or what the flow
            holds, and the rest of the part is settled as dropped. stop: the flows are ended, then the stage fails.
    """

    kind: ClassVar[str] = "split_when"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD
    shorthand: ClassVar[str] = "where"

    where: str | Callable[[Any], Any]
    flow: Any = None
    steps: list[Any] = []
    after: bool = False
    breadth: int = 1

    def __post_init__(self) -> None:
        """Refuse what is no condition, and what is no flow."""
        check_value("where", self.where)
        at_least(1, breadth=self.breadth)
        if self.breadth > MOST:
            raise ConfigError(f"breadth is {self.breadth}, at most {MOST} flows run at a time")
        self.part()

    def part(self) -> Blueprint:
        """What is run for each part."""
        part = inner_part(self.flow, self.steps)
        if part is None:
            raise ConfigError("the parts have no flow", "say what is done with each: steps: [...]")
        return part

    def holds(self) -> Hold:
        """What waits in front of flows, in them and behind them."""
        return inner_hold(self.part(), 2 * CHUNK_ELEMENTS + self.breadth, self.breadth)

    @property
    def combines(self) -> bool:  # type: ignore[override]  # a constant of most stages
        """As the flow does."""
        return inner_combines(self.part())

    def create_logic(self) -> StageLogic:
        """A logic with the flows that run."""
        return _Logic(self)


class _Logic(NestingLogic, ElementLogic):
    def __init__(self, stage: SplitWhen) -> None:
        super().__init__(stage)
        self._part = stage.part()
        self._breadth = stage.breadth
        self._after = stage.after
        self._run = value_runner(stage.where, stage.supervision)
        self._waiting: deque[tuple[bool, Chunk]] = deque(maxlen=CHUNK_ELEMENTS)  # (begins a part, elements)
        self._current: Substream | None = None
        self._begins = True

    def ask(self) -> None:
        self.share(list(self.nest))
        wanted = self.credit()
        if wanted > 0 and not self.upstream_done and not self._waiting:
            asked = self.requested(IN)
            waiting = self._current.waiting if self._current is not None else 0
            most = min(wanted, CHUNK_ELEMENTS - waiting)
            if too_few(asked, most):
                self.request(IN, most - asked)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        values, missing, failures = self._run(chunk.items)
        if missing:
            self.ctx.count("missing_field", missing)
        rest: Chunk | None = chunk
        if failures:
            rest, values = self.survivors(chunk, values, failures)
            if self._policy is Supervision.RESTART:
                self._forget_all(failures[0][1])
        if rest is not None:
            self._cut(rest, values)
        if failures and self._policy is Supervision.STOP:
            self._wind_up(failures[0][1])
        else:
            self._pump()
            self.nest.look()  # its turn asks for more, when what came of these elements is known

    def _cut(self, rest: Chunk, values: list[Any]) -> None:
        start = 0
        for place, value in enumerate(values):
            if value and self._after:
                self._put(rest, start, place + 1)
                start, self._begins = place + 1, True
            elif value:
                self._put(rest, start, place)
                start, self._begins = place, True
        self._put(rest, start, len(rest))

    def _put(self, rest: Chunk, start: int, stop: int) -> None:
        if start < stop:
            piece = rest if stop - start == len(rest) else rest.take(range(start, stop))
            self._waiting.append((self._begins, piece))
            self._begins = False

    def _pump(self) -> None:
        """Send what waits, as far as flows can run."""
        while self._waiting:
            begins, piece = self._waiting[0]
            if begins:
                if self._current is not None:
                    self._current.finish()
                    self._current = None
                if len(self.nest) >= self._breadth:
                    return
                self._current = self.nest.start(self._part, inlets=1)
            self._waiting.popleft()
            if self._current is None or not self._current.send(piece):
                discard(self, piece, ENDED)
        if self.upstream_done and self._current is not None:
            self._current.finish()
            self._current = None

    def sub_ended(self, sub: Substream, error: BaseException | None) -> None:
        if sub is self._current:
            self._current = None  # what comes before the next cut finds no flow
        if error is not None:
            self.ctx.count("failed_substreams")
            if self._policy is Supervision.STOP:
                self._wind_up(error)
                return
            if self._policy is Supervision.RESTART:
                self.ctx.count("restarts")
                self._forget_all(error)
        self._pump()
        if self.upstream_done and not self.nest and not self._waiting:
            self.finish()

    def _forget_all(self, error: BaseException) -> None:
        for sub in self.nest:
            sub.stop(named(self, error))
        settle_rest(self, [piece for _, piece in self._waiting], error)
        self._waiting.clear()
        self._current = None
        self._begins = True

    def _wind_up(self, error: BaseException | None = None) -> None:
        self.upstream_done = True
        self._error = self._error or error
        if error is not None:
            self.cancel(IN, error)
        self._pump()
        if not self.nest and not self._waiting:
            self.finish()
        else:
            self.proceed()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        self._wind_up()

    def on_stop(self, error: BaseException | None) -> None:
        super().on_stop(error)
        settle_rest(self, [piece for _, piece in self._waiting], error)
        self._waiting.clear()

    def residue(self) -> list[Chunk]:
        """What the flows give at their end, then what waits for a flow, raw."""
        held = super().residue() + [piece for _, piece in self._waiting]
        self._waiting.clear()
        return held

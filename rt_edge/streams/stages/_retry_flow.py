"""How `retry_flow` tries: one element after the other, or many together where the flow cannot tell the difference."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rt_edge.data.chunk import FILTERED, Chunk
from rt_edge.data.errors import StreamError
from rt_edge.data.receipt import Dropped, Mark, Marks, Outcome, Receipt
from rt_edge.streams.nested import NestingLogic, Substream
from rt_edge.streams.stage import IN, OUT, Inlet, Stage
from rt_edge.streams.stages._backoff import Backoff
from rt_edge.streams.stages._common import discard, named, settle_rest
from rt_edge.streams.stages.filter import Filter
from rt_edge.streams.stages.filter_expression import FilterExpression
from rt_edge.streams.stages.map import Map
from rt_edge.streams.stages.select_fields import SelectFields
from rt_edge.streams.stages.set_fields import SetFields
from rt_edge.streams.stages.set_tags import SetTags

if TYPE_CHECKING:
    from rt_edge.streams.stages.retry_flow import RetryFlow

AHEAD = 256
"""Elements inside at most while all goes well."""

MEMORYLESS: tuple[type[Stage], ...] = (Map, Filter, FilterExpression, SelectFields, SetFields, SetTags)
"""Stages that make of an element what they make of it alone, and go no further after one that stops them."""


def goes_together(stage: RetryFlow) -> bool:
    """Whether many elements can be given to one flow: it is one memoryless stage, and nobody judges results one by one."""
    nodes = list(stage.part().nodes.values())
    return stage.again is None and len(nodes) == 1 and type(nodes[0]) in MEMORYLESS


class RetryLogic(NestingLogic):
    """One element after the other, each in a flow of its own.

    Args:
        stage: the flow, and when an element is tried again.
    """

    def __init__(self, stage: RetryFlow) -> None:
        self._stage = stage
        self._part = stage.part()
        self._again: Callable[[Any, Any], Any] | None = stage.again
        self._piece: Chunk | None = None  # under way, with the receipt that the flow does not see
        self._element: Any = None
        self._results: list[Any] = []
        self._backoff = Backoff(stage)

    def ask(self) -> None:
        """An element, when nothing is under way."""
        for sub in self.nest:
            sub.request(1 - sub.requested)
        if self._piece is None and not self.out and not self.requested(IN) and not self.upstream_done and self.demand(OUT) > 0:
            self.request(IN, 1)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """The first attempt."""
        self._piece = chunk
        self._element = chunk.items[0]
        self._backoff.failures = 0
        self._attempt()

    def on_timer(self, key: object) -> None:
        """The next attempt."""
        self._attempt()

    def _attempt(self) -> None:
        self._results = []
        sub = self.nest.start(self._part, inlets=1)
        sub.send(Chunk([self._element]))
        sub.finish()
        sub.request(1)

    def sub_pushed(self, sub: Substream, chunk: Chunk) -> None:
        """A result, which has to be the only one."""
        self._results += chunk.items
        chunk.settle()
        if len(self._results) > 1:
            sub.stop()
            self._give_up(StreamError("the flow gave more than one element for one"))
        else:
            sub.request(1)

    def sub_ended(self, sub: Substream, error: BaseException | None) -> None:
        """Whether the attempt was good."""
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
        else:
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
        if self._backoff.failures + 1 >= self._stage.attempts:
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
        """Complete when the last element is done with."""
        self.upstream_done = True
        if self._piece is None:
            self.finish()

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what is held."""
        super().on_stop(error)
        settle_rest(self, [self._piece] if self._piece is not None else [], error)
        self._piece = None

    def residue(self) -> list[Chunk]:
        """The result, then the element under way, raw."""
        for sub in self.nest:
            sub.stop()
        piece, self._piece = self._piece, None
        return [*self.out.take_all(), *([piece] if piece is not None else [])]


class _Heard:
    """Listener of what is given to a flow: which elements it has left out, on purpose."""

    def __init__(self) -> None:
        self.dropped: set[Mark] = set()

    def on_outcome(self, receipt: Receipt, marks: Marks, outcome: Outcome) -> None:
        """Note it."""
        if isinstance(outcome, Dropped):
            self.dropped.update(marks)


class TogetherLogic(RetryLogic):
    """Many elements in one flow, until one fails: that one is tried again alone, what is behind it waits.

    Args:
        stage: the flow, and when an element is tried again.
    """

    def __init__(self, stage: RetryFlow) -> None:
        super().__init__(stage)
        self._waiting: deque[Chunk] = deque(maxlen=AHEAD)
        self._trial: Chunk | None = None  # what is in the flow
        self._heard = _Heard()
        self._came: list[Chunk] = []
        self._goes_well = False

    def ask(self) -> None:
        """As many as are wanted, while all goes well."""
        held = sum(map(len, self._waiting)) + (len(self._trial) if self._trial else 0) + (self._piece is not None)
        n = min(self.demand(OUT), AHEAD if self._goes_well else 1) - held - self.out.elements - self.requested(IN)
        for sub in self.nest:
            sub.request(1 - sub.requested)
        if n > 0 and not self.upstream_done:
            self.request(IN, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Try it, or let it wait."""
        self._waiting.append(chunk)
        self._next()

    def _next(self) -> None:
        if self._piece is not None or self._trial is not None or not self._waiting:
            return
        chunk = self._trial = self._waiting.popleft()
        self._heard, self._came = _Heard(), []
        sub = self.nest.start(self._part, inlets=1)
        sub.send(Chunk(chunk.items, Receipt(range(len(chunk)), self._heard, None, self.ctx.name)))
        sub.finish()
        sub.request(len(chunk))

    def sub_pushed(self, sub: Substream, chunk: Chunk) -> None:
        """Results; their marks are places in what was given."""
        if self._trial is None:
            super().sub_pushed(sub, chunk)
        else:
            self._came.append(chunk)

    def sub_ended(self, sub: Substream, error: BaseException | None) -> None:
        """Emit what is good; the first element that failed is tried again."""
        trial = self._trial
        if trial is None:
            super().sub_ended(sub, error)
            return
        results = {place: result for chunk in self._came for place, result in zip(chunk.marks or (), chunk.items, strict=True)}
        for chunk in self._came:
            chunk.settle()
        self._came = []
        end = len(trial)
        if error is not None:
            end = next(place for place in range(end) if place not in results and place not in self._heard.dropped)
        self._trial = None
        self._goes_well = error is None
        if end:
            self._emit(trial if end == len(trial) else trial.cut(end)[0], results)
        if error is None:
            self._go_on()
            return
        rest = trial.cut(end)[1] if end else trial
        if len(rest) > 1:
            rest, behind = rest.cut(1)
            self._waiting.appendleft(behind)
        self._piece, self._element = rest, rest.items[0]
        self._backoff.failures = 0
        self._failed(error)

    def _emit(self, chunk: Chunk, results: dict[Mark, Any]) -> None:
        n = len(chunk)
        places = [place for place in range(n) if place in results]
        left_out = [place for place in range(n) if place in self._heard.dropped]
        failed = [place for place in range(n) if place not in results and place not in self._heard.dropped]
        if left_out:
            chunk.take(left_out).drop(FILTERED)  # the flow has counted them
        if failed:
            discard(self, chunk.take(failed), FILTERED)
        if places:
            rest = chunk if len(places) == n else chunk.take(places)
            self.out.put(rest.replace([results[place] for place in places]))

    def _go_on(self) -> None:
        self._next()
        if self._trial is not None:
            self.proceed()
        else:
            super()._go_on()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Complete when the last element is done with."""
        self.upstream_done = True
        if self._piece is None and self._trial is None and not self._waiting:
            self.finish()

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what is held."""
        super().on_stop(error)
        settle_rest(self, self._take_rest(), error)

    def _take_rest(self) -> list[Chunk]:
        trial, self._trial = self._trial, None
        rest = [*([trial] if trial is not None else []), *self._waiting]
        self._waiting.clear()
        return rest

    def residue(self) -> list[Chunk]:
        """The results, then what is under way and what waits, raw."""
        rest = self._take_rest()
        return [*super().residue(), *rest]

"""The logic of `split_when`: where a new substream begins, and whose turn it is."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.nested import NestingLogic, Substream, too_few
from rt_edge.streams.stage import IN, Inlet, Supervision
from rt_edge.streams.stages._common import discard, named, settle_rest
from rt_edge.streams.stages._keys import value_runner
from rt_edge.streams.stages._user_code import ElementLogic

if TYPE_CHECKING:
    from rt_edge.streams.stages.split_when import SplitWhen

ENDED = "substream_ended"
"""The reason of an element whose part's flow has ended by itself."""

MOST = 1024
"""Flows at a time, at most."""


class SplitWhenLogic(NestingLogic, ElementLogic):
    """Cuts what comes, and feeds one substream after the other."""

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
        """Request as much as there is demand and room for."""
        self.share(list(self.nest))
        wanted = self.credit()
        if wanted > 0 and not self.upstream_done and not self._waiting:
            asked = self.requested(IN)
            waiting = self._current.waiting if self._current is not None else 0
            most = min(wanted, CHUNK_ELEMENTS - waiting)
            if too_few(asked, most):
                self.request(IN, most - asked)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Cut it where the condition says so."""
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
        """There is room for the next one; its failure goes by the supervision."""
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
        """End the last one; complete with it."""
        self._wind_up()

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what is held."""
        super().on_stop(error)
        settle_rest(self, [piece for _, piece in self._waiting], error)
        self._waiting.clear()

    def residue(self) -> list[Chunk]:
        """What the flows give at their end, then what waits for a flow, raw."""
        held = super().residue() + [piece for _, piece in self._waiting]
        self._waiting.clear()
        return held

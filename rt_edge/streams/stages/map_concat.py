"""map_concat: several elements, or none, for each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice, repeat
from operator import is_
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, FILTERED, Chunk
from rt_edge.streams.stage import IN, OUT, Hold, Inlet, Outlet, ReceiptUse, StageLogic, Supervision
from rt_edge.streams.stages._common import UserCode, discard, fail_behind, named, note_failures, settle_rest
from rt_edge.streams.stages._outbox import Outbox
from rt_edge.streams.stages._user_code import ElementLogic

REST = object()
"""Stands in a chunk for what is left of an iterable."""

BLOCK = 64
"""With receipts, an expansion is numbered in blocks of so many, so that an element's mark does not depend on the demand."""


class MapConcat(UserCode, frozen=True):
    """Replaces each element by the elements of an iterable made of it; none for an empty one (settled as dropped, `filtered`).

    Expansion is lazy: iterators are advanced as far as there is demand, with receipts up to the end of a block of 64.

    Emits when: an element arrives, and as long as its iterable has elements.
    Backpressures when: downstream does, or the iterable has elements left.
    Completes when: upstream completes and the last iterable is exhausted.
    Cancels when: downstream cancels.
    On restart: what is left of the iterable fails with its element.

    Attributes:
        function: element -> iterable of elements; may be infinite.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    function: Callable[[Any], Iterable[Any]]

    def holds(self) -> Hold:
        """The elements that wait for being expanded; it does not wait for further elements."""
        return Hold(CHUNK_ELEMENTS, 0.0)

    def create_logic(self) -> StageLogic:
        """A logic with the chunk that is being expanded."""
        return _Logic(self)


class _Logic(ElementLogic):
    def __init__(self, stage: MapConcat) -> None:
        super().__init__(stage)
        self._function = stage.function
        self._raw: deque[Chunk] = deque(maxlen=CHUNK_ELEMENTS)  # as many elements are asked for at most
        self._iterator: Iterator[Any] | None = None
        self._open: Chunk | None = None  # the one element whose iterator is not exhausted
        self._finished = False

    def on_start(self) -> None:
        self._out = Outbox(self)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        self._out.flush()
        self._pump()

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self._raw.append(chunk)
        self._pump()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        self._finished = True
        self._pump()

    def on_stop(self, error: BaseException | None) -> None:
        self._out.settle_rest(error)
        settle_rest(self, [*([self._open] if self._open is not None else []), *self._raw], error)
        self._raw.clear()

    def residue(self) -> list[Chunk]:
        """What is expanded and not sent, and the elements not yet looked at; the rest of an open iterator is dropped."""
        if self._open is not None:
            discard(self, self._open, "removed")
        rest = [*self._out.take_all(), *self._raw]
        self._open = self._iterator = None
        self._raw.clear()
        return rest

    def _pump(self) -> None:
        while not self._out and self.is_free(OUT) and self.demand(OUT) > 0:
            if self._iterator is not None and self._open is not None:
                self._continue(self._open, self._iterator)
            elif self._raw:
                self._expand(self._raw.popleft())
            else:
                break
        if not self.is_free(OUT):
            self.pull_again(OUT)  # go on when what was pushed has been taken
        if self._raw or self._iterator is not None or self._out:
            return
        if self._finished:
            self.complete_stage()
        elif not self.requested(IN) and self.demand(OUT) > 0:
            self.request(IN, min(self.demand(OUT), CHUNK_ELEMENTS))

    def _expand(self, raw: Chunk) -> None:
        """Expand elements of `raw` as long as demand is left, and at most up to the first long iterable."""
        groups: list[list[Any]] = []
        wanted = self.demand(OUT)
        failure, iterator = None, None
        for item in raw.items[:wanted]:
            try:
                iterator = iter(self._function(item))
                group = self._advance(raw, iterator)
            except Exception as error:  # noqa: BLE001 - whatever user code raises belongs to its element
                failure, iterator = error, None
                break
            groups.append(group)
            wanted -= len(group)
            if group and group[-1] is REST:
                break
            iterator = None
            if wanted <= 0:
                break
        n = len(groups)
        if n < len(raw):
            done, rest = raw.cut(n) if n else (None, raw)
            self._raw.appendleft(rest)
        else:
            done = raw
        if done is not None:
            empty = groups.count([])
            if empty:
                self.ctx.count(f"dropped_{FILTERED}", empty)
            self._emit(done, groups, iterator)
        if failure is not None:
            guilty = self._raw.popleft()
            if len(guilty) > 1:
                guilty, rest = guilty.cut(1)
                self._raw.appendleft(rest)
            self._fail_element(guilty, failure)

    def _continue(self, piece: Chunk, iterator: Iterator[Any]) -> None:
        self._open = self._iterator = None
        try:
            group = self._advance(piece, iterator)
        except Exception as error:  # noqa: BLE001 - whatever user code raises belongs to its element
            self._fail_element(piece, error)
            return
        self._emit(piece, [group], iterator if group and group[-1] is REST else None)

    def _advance(self, piece: Chunk, iterator: Iterator[Any]) -> list[Any]:
        """The next elements of an iterator, with `REST` behind them unless it is exhausted."""
        most = self.demand(OUT) if piece.receipt is None else BLOCK
        group = list(islice(iterator, most))
        if True in map(is_, group, repeat(None)):
            raise TypeError("None is not an element (rule 2.13)")
        if len(group) == most:
            group.append(REST)
        return group

    def _emit(self, piece: Chunk, groups: list[list[Any]], iterator: Iterator[Any] | None) -> None:
        out = piece.expand(groups)
        if out is None:
            return
        if iterator is not None:
            self._iterator = iterator
            out, self._open = out.cut(len(out) - 1)
        self._out.put(out)

    def _fail_element(self, guilty: Chunk, error: Exception) -> None:
        note_failures(self, [(0, error)])
        guilty.fail(named(self, error))
        if self._policy is Supervision.RESTART:
            self.ctx.count("restarts")
        if self._policy is Supervision.STOP:
            settle_rest(self, list(self._raw), error)
            self._raw.clear()
            self._finished = False
            fail_behind(self, error)

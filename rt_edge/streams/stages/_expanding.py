"""Expanding: several elements, or none, for each, as far as there is demand; shared by `map_concat` and its relatives."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice, repeat
from operator import is_
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, FILTERED, Chunk
from rt_edge.streams.stage import IN, OUT, Inlet, Outlet, Supervision
from rt_edge.streams.stages._common import UserCode, discard, fail_behind, named, note_failures, settle_rest
from rt_edge.streams.stages._outbox import Outbox
from rt_edge.streams.stages._user_code import ElementLogic

REST = object()
"""Stands in a chunk for what is left of an iterable."""

BLOCK = 64
"""With receipts, an expansion is numbered in blocks of so many, so that an element's mark does not depend on the demand."""


class ExpandLogic(ElementLogic):
    """Expands elements by a function, as far as there is demand.

    Args:
        stage: whose `supervision` counts.
        function: element -> iterable of elements.

    Attributes:
        numbered: elements of one iterable that are made at once, with receipts: its block.
        bare: the same without receipts.
        at_once: elements that are expanded at once.
    """

    numbered: ClassVar[int] = BLOCK
    bare: ClassVar[int] = CHUNK_ELEMENTS
    at_once: ClassVar[int] = CHUNK_ELEMENTS

    def __init__(self, stage: UserCode, function: Callable[[Any], Iterable[Any]]) -> None:
        super().__init__(stage)
        self._function = function
        self._raw: deque[Chunk] = deque(maxlen=CHUNK_ELEMENTS)  # as many elements are asked for at most
        self._iterator: Iterator[Any] | None = None
        self._open: Chunk | None = None  # the one element whose iterator is not exhausted
        self._finished = False

    def on_start(self) -> None:
        """Make the outbox."""
        self._out = Outbox(self)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """Go on with what is open."""
        self._out.flush()
        self._pump()

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Expand it, or keep it until that is wanted."""
        self._raw.append(chunk)
        self._pump()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Complete when all is expanded."""
        self._finished = True
        self._pump()

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what is held."""
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
        for item in raw.items[: min(wanted, self.at_once)]:
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
            self.fail_element(guilty, failure)

    def _continue(self, piece: Chunk, iterator: Iterator[Any]) -> None:
        self._open = self._iterator = None
        try:
            group = self._advance(piece, iterator)
        except Exception as error:  # noqa: BLE001 - whatever user code raises belongs to its element
            self.fail_element(piece, error)
            return
        self._emit(piece, [group], iterator if group and group[-1] is REST else None)

    def _advance(self, piece: Chunk, iterator: Iterator[Any]) -> list[Any]:
        """The next elements of an iterator, with `REST` behind them unless it is exhausted."""
        most = min(self.demand(OUT), self.bare) if piece.receipt is None else self.numbered
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

    def fail_element(self, guilty: Chunk, error: Exception) -> None:
        """Fail one element; under `stop` all that wait, and the stage."""
        note_failures(self, [(0, error)])
        guilty.fail(named(self, error))
        if self._policy is Supervision.RESTART:
            self.ctx.count("restarts")
        if self._policy is Supervision.STOP:
            settle_rest(self, list(self._raw), error)
            self._raw.clear()
            self._finished = False
            fail_behind(self, error)

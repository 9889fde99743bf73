"""from_async_iterable: a source of the elements of an asynchronous iterable."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.stage import OUT, Outlet, StageLogic
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._source import SourceStage, broke

BURST = 64
"""Elements of an iterator that never makes anybody wait, before it lets others have the loop."""


class FromAsyncIterable(SourceStage, frozen=True):
    """Emits the elements of an asynchronous iterable; it is advanced only as far as elements are asked for.

    Emits when: asked and the iterator has an element; what comes without waiting travels as one chunk.
    Backpressures when: downstream does; the iterator is not advanced then.
    Completes when: the iterable is exhausted. What it raises fails the stage, behind the elements that came before.
    Cancels when: -; the iterator is cancelled where it waits, and closed (`aclose`).

    Attributes:
        items: iterated anew in each run; None in it is an error (rule 2.13).
        chunk: elements of a chunk at most.
    """

    items: AsyncIterable[Any]
    chunk: int = CHUNK_ELEMENTS

    def __post_init__(self) -> None:
        """Refuse empty chunks."""
        at_least(1, chunk=self.chunk)

    def create_logic(self) -> StageLogic:
        """A logic with the iterator."""
        return _Logic(self)


class _Logic(StageLogic):
    def __init__(self, stage: FromAsyncIterable) -> None:
        self._stage = stage
        self._iterator: AsyncIterator[Any] | None = None
        self._got: list[Any] = []
        """What the iterator gave and nobody has taken so far; at most one chunk."""
        self._fetching = False
        self._inside = False  # the iterator's code runs, or waits for something
        self._collecting = False
        self._exhausted = False
        self._refused = False  # the iterator gave None; it has not ended, and has to be closed
        self._error: BaseException | None = None

    def on_start(self) -> None:
        self._iterator = aiter(self._stage.items)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        if self._got:
            self._push()
        else:
            self._fetch()

    def _fetch(self) -> None:
        wanted = min(self.demand(OUT), self._stage.chunk)
        if wanted > 0 and not self._fetching:
            self._fetching = True
            self.ctx.spawn(self._advance(wanted), self._fetched)

    async def _advance(self, wanted: int) -> bool:
        """Up to `wanted` elements; whether the iterator is exhausted. Elements go out as soon as the loop is free."""
        iterator = self._iterator
        assert iterator is not None
        for _ in range(min(wanted, BURST)):
            self._inside = True
            try:
                item = await anext(iterator)
            except StopAsyncIteration:
                return True
            self._inside = False
            if item is None:
                self._refused = True
                raise TypeError("None is not an element (rule 2.13)")
            self._got.append(item)
            if not self._collecting:
                self._collecting = True
                self.ctx.soon(self._collect)
        return False

    def _collect(self) -> None:
        self._collecting = False
        if self._got:
            self._push()

    def _push(self) -> None:
        if self._got and self.is_free(OUT):
            items, self._got = self._got, []
            self.push(OUT, Chunk(items))
        if self._got or not self._exhausted:
            self.pull_again(OUT)
        elif self._error is not None:
            broke(self, self._error)
        else:
            self.complete_stage()

    def _fetched(self, exhausted: bool | None, error: BaseException | None) -> None:
        self._fetching = False
        self._error = error
        self._exhausted = bool(exhausted) or error is not None
        self._push()

    def residue(self) -> list[Chunk]:
        """What the iterator gave and nobody has taken."""
        items, self._got = self._got, []
        return [Chunk(items)] if items else []

    def on_stop(self, error: BaseException | None) -> None:
        if self._got:
            self.ctx.count("dropped_cancelled", len(self._got))
            self._got = []
        close = getattr(self._iterator, "aclose", None)
        if close is not None and not self._inside and (self._refused or not self._exhausted):
            # where it waits it was cancelled, and ends by itself
            self.ctx.spawn(close(), self._closed)

    def _closed(self, result: None, error: BaseException | None) -> None:
        """Nobody is left to hear of it."""

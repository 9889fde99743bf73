"""Outbox: chunks that are ready for an outlet and wait for demand; and the logic of stages that have one."""

from __future__ import annotations

from collections import deque
from typing import ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.data.errors import InternalError
from rt_edge.streams.stage import OUT, Inlet, Outlet, StageLogic
from rt_edge.streams.stages._common import discard, settle_rest


class Outbox:
    """Chunks that wait for demand at one outlet, in order; never pushes more than is wanted.

    Args:
        logic: whose outlet it is.
        outlet: which.
        bound: most chunks; the stage keeps to it by what it asks for.

    Attributes:
        chunks: what waits.
        elements: how many these are.
    """

    __slots__ = ("_logic", "_outlet", "chunks", "elements")

    def __init__(self, logic: StageLogic, outlet: Outlet = OUT, bound: int = CHUNK_ELEMENTS) -> None:
        self._logic = logic
        self._outlet = outlet
        self.chunks: deque[Chunk] = deque(maxlen=bound)
        self.elements = 0

    def __bool__(self) -> bool:
        return bool(self.chunks)

    def __len__(self) -> int:
        return len(self.chunks)

    def put(self, chunk: Chunk) -> None:
        """Push it now, or when it is wanted."""
        logic = self._logic
        if not self.chunks and len(chunk.items) <= logic.demand(self._outlet):  # so it is free
            logic.push(self._outlet, chunk)
            return
        self.add(chunk)
        self.flush()

    def add(self, chunk: Chunk) -> None:
        """Have it wait for `flush`."""
        if len(self.chunks) == self.chunks.maxlen:
            raise InternalError(f"{self._logic.ctx.name} holds more than {self.chunks.maxlen} chunks")
        self.chunks.append(chunk)
        self.elements += len(chunk.items)

    def flush(self) -> None:
        """Push what is wanted; to be called in `on_pull`."""
        chunks, logic, outlet = self.chunks, self._logic, self._outlet
        if not chunks:
            return
        if not logic.is_free(outlet):
            logic.pull_again(outlet)
            return
        wanted = logic.demand(outlet)
        if wanted <= 0:
            return
        chunk = chunks.popleft()
        if len(chunk) > wanted:
            chunk, rest = chunk.cut(wanted)
            chunks.appendleft(rest)
        self.elements -= len(chunk)
        logic.push(outlet, chunk)
        if chunks:
            logic.pull_again(outlet)

    def drop_head(self, n: int, reason: str) -> None:
        """Drop the `n` oldest elements, counted."""
        self._drop(n, reason, oldest=True)

    def drop_tail(self, n: int, reason: str) -> None:
        """Drop the `n` youngest elements, counted."""
        self._drop(n, reason, oldest=False)

    def _drop(self, n: int, reason: str, oldest: bool) -> None:
        chunks = self.chunks
        self.elements -= n
        while n > 0:
            chunk = chunks.popleft() if oldest else chunks.pop()
            if len(chunk) > n:
                first, last = chunk.cut(n if oldest else len(chunk) - n)
                chunk = first if oldest else last
                (chunks.appendleft if oldest else chunks.append)(last if oldest else first)
            n -= len(chunk)
            discard(self._logic, chunk, reason)

    def take_all(self) -> list[Chunk]:
        """Empty it."""
        chunks = list(self.chunks)
        self.chunks.clear()
        self.elements = 0
        return chunks

    def discard(self, reason: str) -> None:
        """Drop all, counted."""
        for chunk in self.take_all():
            discard(self._logic, chunk, reason)

    def settle_rest(self, error: BaseException | None) -> None:
        """Drop all after a cancel, fail all after an error; for `on_stop`."""
        settle_rest(self._logic, self.take_all(), error)


FEW = 8
"""Chunks in an outbox from which on nothing more is asked for, however much is wanted: only one goes out at a time."""


class OutboxLogic(StageLogic):
    """A logic with one outlet that may hold several chunks ready for it.

    `ask()` requests what the stage wants; it is called with every demand, and has to be called (by `proceed`) after input.
    """

    bound: ClassVar[int] = CHUNK_ELEMENTS + FEW
    out: Outbox
    finished: bool

    def on_start(self) -> None:
        """Make the outbox."""
        self.out = Outbox(self, bound=self.bound)
        self.finished = False

    def ask(self) -> None:
        """Request what is wanted; `demand(OUT)` is valid here."""

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """Ask first, since `demand` says 0 once something was pushed."""
        out = self.out
        if not self.finished and len(out.chunks) < FEW:
            self.ask()
        if out.chunks:
            out.flush()
        if self.finished and not out.chunks:
            self.complete_stage()

    def proceed(self) -> None:
        """Input was consumed: ask for more, now or when the slot is empty."""
        if not self.is_free(OUT):
            self.pull_again(OUT)
        elif len(self.out.chunks) < FEW:
            self.ask()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Complete as soon as what is held has gone out."""
        self.finished = True
        if not self.out:
            self.complete_stage()

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what is held."""
        self.out.settle_rest(error)

    def residue(self) -> list[Chunk]:
        """What is ready to go out."""
        return self.out.take_all()

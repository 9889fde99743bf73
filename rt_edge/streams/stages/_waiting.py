"""Waiting: chunks in order, each with the time at which it is due."""

from __future__ import annotations

from collections import deque
from math import inf

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._common import discard
from rt_edge.streams.stages._latest import gather


class Waiting:
    """Elements that wait for their time; none goes before those in front of it.

    Args:
        logic: of the stage that counts what is dropped.
        bound: most elements; the stage keeps to it.

    Attributes:
        elements: how many wait.
        due: when what `put` adds next is due.
    """

    def __init__(self, logic: StageLogic, bound: int) -> None:
        self._logic = logic
        self._chunks: deque[tuple[float, Chunk]] = deque(maxlen=bound)
        self.elements = 0
        self.due = 0.0

    def __bool__(self) -> bool:
        return bool(self._chunks)

    @property
    def next_due(self) -> float:
        """When the first is due; there is one."""
        return self._chunks[0][0]

    def put(self, chunk: Chunk) -> None:
        """These wait too, until `due`."""
        self._chunks.append((self.due, chunk))
        self.elements += len(chunk)

    def take_due(self, now: float, most: int, early: int = 0) -> Chunk | None:
        """Elements that are due, or are among the first `early`: up to `most`, and as many as fit one chunk."""
        taken: list[Chunk] = []
        chunks = self._chunks
        most = min(most, CHUNK_ELEMENTS)
        while chunks and most > 0 and (chunks[0][0] <= now or early > 0):
            due, chunk = chunks[0]
            if taken and chunk.receipt is not taken[0].receipt:
                break
            n = min(len(chunk), most if due <= now else min(most, early))
            chunks.popleft()
            if n < len(chunk):
                chunk, rest = chunk.cut(n)
                chunks.appendleft((due, rest))
            most -= n
            early -= n
            self.elements -= n
            taken.append(chunk)
        return gather(taken)[0] if len(taken) > 1 else next(iter(taken), None)

    def drop_head(self, n: int, reason: str) -> None:
        """Drop the `n` oldest, counted."""
        while n > 0 and (chunk := self.take_due(inf, n)) is not None:
            n -= len(chunk)
            discard(self._logic, chunk, reason)

    def drop_tail(self, n: int, reason: str) -> None:
        """Drop the `n` youngest, counted."""
        while n > 0:
            due, chunk = self._chunks.pop()
            if len(chunk) > n:
                first, chunk = chunk.cut(len(chunk) - n)
                self._chunks.append((due, first))
            n -= len(chunk)
            self.elements -= len(chunk)
            discard(self._logic, chunk, reason)

    def take_all(self) -> list[Chunk]:
        """Empty it."""
        chunks = [chunk for _, chunk in self._chunks]
        self._chunks.clear()
        self.elements = 0
        return chunks

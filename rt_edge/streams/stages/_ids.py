"""What `dedupe` knows of an id: as which element it came, and what became of that."""

from __future__ import annotations

from typing import Any, NamedTuple

from rt_edge.data.chunk import Chunk
from rt_edge.data.receipt import Failed, Mark, Marks, Origin, Outcome, Receipt, number_of
from rt_edge.streams.stages._common import bare


class Watch:
    """Listener of what passed of one chunk: knows what is open, and what has failed."""

    __slots__ = ("_chunk", "_failed", "_stored", "_unknown")

    def __init__(self) -> None:
        self._chunk = Chunk(())
        self._unknown = 1  # whatever passes: it has no outcome so far
        self._stored: set[Mark] = set()
        self._failed: set[Mark] = set()

    def over(self, chunk: Chunk) -> Chunk:
        """What passed, under a receipt that tells this one."""
        assert chunk.receipt is not None
        assert chunk.marks is not None
        self._chunk = bare(chunk)
        self._unknown = len(chunk)
        return Chunk(chunk.items, Receipt(chunk.marks, self, chunk.receipt.origin, chunk.receipt.where))

    def on_outcome(self, receipt: Receipt, marks: Marks, outcome: Outcome) -> None:
        """Note it, and pass it on."""
        self._unknown -= len(marks)
        if isinstance(outcome, Failed):
            self._failed.update(marks)
        elif self._unknown or self._failed:
            self._stored.update(marks)
        if self._chunk.receipt is not None:
            self._chunk.receipt.outcome(outcome, marks)
        if not self._unknown:
            self._chunk = Chunk(())  # its origin is not kept alive by ids that are remembered for long
            if not self._failed:
                self._stored = set()

    def has_failed(self, mark: Any) -> bool:
        """Whether it went nowhere."""
        return mark in self._failed

    def is_open(self, mark: Any) -> bool:
        """Whether its outcome is not known."""
        return bool(self._unknown) and mark not in self._stored and mark not in self._failed


class Seen(NamedTuple):
    """When an id came, and as which element of which life of which source, in which session of its peer; and under which mark
    of the receipt that it passed with."""

    at: float
    life: tuple[str, str, str] | None
    mark: Any
    own: Any = None
    watch: Watch | None = None

    def is_lost(self) -> bool:
        """Whether it is known that it went nowhere."""
        return self.watch is not None and self.watch.has_failed(self.own)

    def comes_again(self, origin: Origin | None, later: Seen) -> bool:
        """Whether `later`, of `origin`, is the same element, which may have been lost."""
        if self.life is None or later.life is None or origin is None:
            return False
        if self.life[:2] == later.life[:2]:
            return bool(self.mark == later.mark)
        if self.watch is not None and self.life[0] == later.life[0] and self.watch.is_open(self.own):
            return True
        same_peer = self.life[0] == later.life[0] and self.life[2] == later.life[2] != ""
        return same_peer and number_of(later.mark) in origin.redelivered

"""The logic of `dead_letters`: what is under way, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import IslandDied, StreamError
from rt_edge.data.receipt import Failed, Marks, Outcome, Receipt
from rt_edge.streams.stage import IN, OUT, Inlet, Outlet, StageLogic
from rt_edge.streams.stages._outbox import Outbox

DEAD = Outlet("dead", 1)


class DeadLettersLogic(StageLogic):
    """Knows what is under way behind `out`, and hears what becomes of it.

    Args:
        size: elements under way, at most.
        letter: (element, node, error) -> what comes out at `dead`.
    """

    def __init__(self, size: int, letter: Callable[[Any, str, str], Any]) -> None:
        self._size = size
        self._letter = letter
        self._under_way = 0
        self._ending = False

    def on_start(self) -> None:
        """Begin."""
        self._dead = Outbox(self, DEAD, bound=self._size)
        self._enter = self.ctx.callback_here(self._outcome)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """Hand on dead letters; ask."""
        if outlet.index:
            self._dead.flush()
            self._end_if_done()
        self._ask()

    def _ask(self) -> None:
        room = self._size - self._under_way - self._dead.elements
        n = min(self.demand(OUT), room) - self.requested(IN)
        if n > 0 and not self._ending:
            self.request(IN, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Send it on, with a receipt of our own."""
        self._under_way += len(chunk)
        watch = _Watch(self, chunk)
        marks: Marks = range(len(chunk)) if chunk.marks is None else chunk.marks
        origin = chunk.receipt.origin if chunk.receipt is not None else None
        self.push(OUT, Chunk(chunk.items, Receipt(marks, watch, origin, self.ctx.name)))
        self.pull_again(OUT)

    def ended(self, chunk: Chunk, outcome: Outcome, where: str) -> None:
        """These elements have an outcome; called at any time, in the island's thread."""
        if self.seat.stopped:
            chunk.outcome(outcome)
        else:
            self._enter(chunk, outcome, where)

    def _outcome(self, chunk: Chunk, outcome: Outcome, where: str) -> None:
        self._under_way -= len(chunk)
        letter = isinstance(outcome, Failed) and not isinstance(outcome.error, IslandDied) and not self.is_closed(DEAD)
        if letter and isinstance(outcome, Failed):
            self.ctx.count("dead_letters", len(chunk))
            text = str(outcome.error) or type(outcome.error).__name__
            self._dead.put(chunk.replace([self._letter(item, where, text) for item in chunk.items]))
        else:
            chunk.outcome(outcome)
        if self.is_free(OUT):
            self._ask()
        else:
            self.pull_again(OUT)
        self._end_if_done()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Complete when all has an outcome."""
        self._ending = True
        self.complete(OUT)
        self._end_if_done()

    def on_downstream_finish(self, outlet: Outlet, cause: BaseException | None) -> None:
        """Without `out` only dead letters go out; without `dead` failures go to their origin."""
        if outlet.index:
            for chunk in self._dead.take_all():
                chunk.fail(_untaken(self.ctx.name))
        else:
            self._ending = True
            self.cancel(IN, cause)
        if self.is_closed(OUT) and self.is_closed(DEAD):
            self.cancel_stage(cause)
        else:
            self._end_if_done()

    def _end_if_done(self) -> None:
        if self._ending and not self._under_way and not self._dead:
            self.complete_stage()

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what waits."""
        for chunk in self._dead.take_all():
            chunk.fail(error or _untaken(self.ctx.name))

    def residue(self) -> list[Chunk]:
        """The dead letters."""
        return self._dead.take_all()


class _Watch:
    """Hears what becomes of a chunk behind `out`."""

    __slots__ = ("_chunk", "_logic", "_places")

    def __init__(self, logic: DeadLettersLogic, chunk: Chunk) -> None:
        self._logic = logic
        self._chunk = chunk
        self._places: dict[Any, int] | None = None

    def on_outcome(self, receipt: Receipt, marks: Marks, outcome: Outcome) -> None:
        chunk = self._chunk
        if len(marks) != len(chunk):
            places = self._places
            if places is None:
                places = self._places = {mark: place for place, mark in enumerate(receipt.marks)}
            chunk = chunk.take([places[mark] for mark in marks])
        self._logic.ended(chunk, outcome, receipt.where)


def _untaken(name: str) -> StreamError:
    return StreamError(f"{name}: nobody takes dead letters any more")

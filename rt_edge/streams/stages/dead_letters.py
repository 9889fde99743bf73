"""dead_letters: what fails further on comes out at a port of its own."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.data.errors import ConfigError, IslandDied, StreamError
from rt_edge.data.reading import Reading
from rt_edge.data.receipt import Failed, Marks, Outcome, Receipt
from rt_edge.streams.stage import IN, OUT, Hold, Inlet, Outlet, ReceiptUse, Stage, StageLogic
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._outbox import Outbox

DEAD = Outlet("dead", 1)

MOST = 1_000_000
"""Elements under way, at most."""

NODE_TAG, ERROR_TAG = "dead.node", "dead.error"
"""Tags of a reading that is a dead letter."""


class DeadLetter(msgspec.Struct, frozen=True):
    """An element that failed.

    Attributes:
        element: as it went into the part of the graph in which it failed.
        node: graph node that had it last.
        error: why it failed.
    """

    element: Any
    node: str
    error: str


class DeadLetters(Stage, frozen=True):
    """Passes elements on at `out`; those that fail in what is behind it come out at `dead`, instead of failing towards their
    origin.

    A reading comes as a reading with the tags `dead.node` and `dead.error`; any other element as a `DeadLetter`. It carries the
    receipt of its element: what is stored behind `dead` counts as stored. What failed because an island died is no dead letter:
    its origin emits it again.

    Emits when: `out`: an element arrives. `dead`: an element that went out at `out` has failed.
    Backpressures when: `out` does, or `size` elements are under way or wait at `dead`.
    Completes when: `out`: upstream completes. `dead`: when besides all that went out has an outcome.
    Cancels when: `out` is cancelled; dead letters still go out.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        size: elements under way behind `out`, at most.
    """

    kind: ClassVar[str] = "dead_letters"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    size: int = CHUNK_ELEMENTS

    def __post_init__(self) -> None:
        """Refuse no room."""
        at_least(1, size=self.size)
        if self.size > MOST:
            raise ConfigError(f"size is {self.size}, at most {MOST} elements can be under way")

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """`out`, `dead`."""
        return (OUT, DEAD)

    def holds(self) -> Hold:
        """The dead letters; it does not wait for further elements."""
        return Hold(self.size, 0.0)

    def create_logic(self) -> StageLogic:
        """A logic that knows what is under way."""
        return _Logic(self.size)


class _Logic(StageLogic):
    def __init__(self, size: int) -> None:
        self._size = size
        self._under_way = 0
        self._ending = False
        self._cause: BaseException | None = None

    def on_start(self) -> None:
        self._dead = Outbox(self, DEAD, bound=self._size)
        self._enter = self.ctx.callback_here(self._outcome)

    def on_pull(self, outlet: Outlet, n: int) -> None:
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
            self._dead.put(chunk.replace([dead_letter(item, where, text) for item in chunk.items]))
        else:
            chunk.outcome(outcome)
        if self.is_free(OUT):
            self._ask()
        else:
            self.pull_again(OUT)
        self._end_if_done()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        self._ending = True
        self.complete(OUT)
        self._end_if_done()

    def on_downstream_finish(self, outlet: Outlet, cause: BaseException | None) -> None:
        if outlet.index:
            for chunk in self._dead.take_all():
                chunk.fail(_untaken(self.ctx.name))
        else:
            self._ending = True
            self._cause = cause
            self.cancel(IN, cause)
        if self.is_closed(OUT) and self.is_closed(DEAD):
            self.cancel_stage(cause)
        else:
            self._end_if_done()

    def _end_if_done(self) -> None:
        if self._ending and not self._under_way and not self._dead:
            self.complete_stage()

    def on_stop(self, error: BaseException | None) -> None:
        for chunk in self._dead.take_all():
            chunk.fail(error or _untaken(self.ctx.name))

    def residue(self) -> list[Chunk]:
        """The dead letters."""
        return self._dead.take_all()


class _Watch:
    """Hears what becomes of a chunk behind `out`."""

    __slots__ = ("_chunk", "_logic", "_places")

    def __init__(self, logic: _Logic, chunk: Chunk) -> None:
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


def dead_letter(element: Any, node: str, error: str) -> Any:
    """The record of an element that failed: a reading stays one."""
    if isinstance(element, Reading):
        return msgspec.structs.replace(element, tags={**element.tags, NODE_TAG: node, ERROR_TAG: error})
    return DeadLetter(element, node, error)


def _untaken(name: str) -> StreamError:
    return StreamError(f"{name}: nobody takes dead letters any more")

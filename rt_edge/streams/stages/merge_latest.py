"""merge_latest: the latest of each stream, whenever one of them has something new."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk, join
from rt_edge.streams.stage import OUT, Hold, Inlet, ReceiptUse, StageLogic
from rt_edge.streams.stages._common import Combining, bare, discard, inlets, intake, ports, settle_rest
from rt_edge.streams.stages._outbox import OutboxLogic

SUPERSEDED = "superseded"
"""The reason of what was followed by another before every inlet had something."""


class MergeLatest(Combining, frozen=True):
    """Emits a tuple of the latest elements of all inlets for each element that comes, once every inlet has had one.

    A tuple has the outcome of the element that it was made for; the first one that of all in it. What is followed by another
    before there is a first tuple is settled as dropped, `superseded`.

    Emits when: an element arrives at any inlet and every inlet has had one.
    Backpressures when: downstream does.
    Completes when: all inlets have completed (with `eager_complete`: one has) and what is held has gone out. One that completes
        without an element completes it: there can be no tuple.
    Cancels when: downstream cancels; all inlets.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        count: inlets, named `in0`, `in1`, ...
        eager_complete: complete as soon as one inlet completes; what the others still send is cancelled.
    """

    kind: ClassVar[str] = "merge_latest"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD
    comes_again: ClassVar[str] = "makes another tuple"

    count: int = 2
    eager_complete: bool = False

    def __post_init__(self) -> None:
        """Refuse a number of ports that makes no sense."""
        ports("count", self.count)

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        """`in0`, `in1`, ..."""
        return inlets(self.count)

    def holds(self) -> Hold:
        """One element an inlet until there is a first tuple, and what came at once."""
        return Hold(0 if self.settle == "early" else self.count * CHUNK_ELEMENTS)

    def create_logic(self) -> StageLogic:
        """A logic with the latest elements."""
        return _Logic(self)


class _Logic(OutboxLogic):
    def __init__(self, stage: MergeLatest) -> None:
        self.bound = stage.count * CHUNK_ELEMENTS  # type: ignore[misc]  # as many elements are asked for at most
        self._stage = stage
        self._inlets = stage.inlets
        self._latest: dict[int, Any] = {}
        self._first: dict[int, Chunk] = {}
        """The latest elements as they came, until there is a first tuple."""

    def ask(self) -> None:
        wanted = min(self.demand(OUT), CHUNK_ELEMENTS) - self.out.elements
        for inlet in self._inlets:
            n = wanted - self.requested(inlet)
            if n > 0 and not self.is_closed(inlet):
                self.request(inlet, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self._take_in(inlet.index, intake(self._stage, chunk))
        self.proceed()

    def _take_in(self, index: int, chunk: Chunk) -> None:
        latest = self._latest
        if len(latest) == len(self._inlets):
            self.out.put(chunk.replace(self._tuples(index, chunk.items)))
            return
        if set(range(len(self._inlets))) - {index} - set(latest):
            if index in self._first:
                discard(self, self._first.pop(index), SUPERSEDED)
            if len(chunk) > 1:
                old, chunk = chunk.cut(len(chunk) - 1)
                discard(self, old, SUPERSEDED)
            self._first[index] = chunk
            latest[index] = chunk.items[0]
            return
        rest = None
        if len(chunk) > 1:
            chunk, rest = chunk.cut(1)
        self._first[index] = chunk
        parts = [bare(part) for part in self._first.values()]
        self._first.clear()
        self.out.put(join(self._tuples(index, chunk.items), parts))
        if rest is not None:
            self.out.put(rest.replace(self._tuples(index, rest.items)))

    def _tuples(self, index: int, items: Any) -> list[tuple[Any, ...]]:
        latest = self._latest
        made = []
        for item in items:
            latest[index] = item
            made.append(tuple(latest[i] for i in range(len(self._inlets))))
        return made

    def on_upstream_finish(self, inlet: Inlet) -> None:
        if self._stage.eager_complete or inlet.index not in self._latest or all(map(self.is_closed, self._inlets)):
            for other in self._inlets:
                self.cancel(other)
            self._discard_first()
            super().on_upstream_finish(inlet)

    def _discard_first(self) -> None:
        for piece in self._first.values():
            discard(self, piece, SUPERSEDED)
        self._first.clear()

    def on_stop(self, error: BaseException | None) -> None:
        super().on_stop(error)
        settle_rest(self, list(self._first.values()), error)
        self._first.clear()

    def residue(self) -> list[Chunk]:
        """Tuples that wait, then the elements of which there is none so far, raw, inlet by inlet."""
        rest = [*super().residue(), *(self._first[index] for index in sorted(self._first))]
        self._first.clear()
        return rest

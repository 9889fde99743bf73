"""merge: the elements of several streams, as they come."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.stage import OUT, Hold, Inlet, ReceiptUse, Stage, StageLogic
from rt_edge.streams.stages._common import inlets, ports
from rt_edge.streams.stages._outbox import OutboxLogic


class Merge(Stage, frozen=True):
    """Emits the elements of all inlets in the order of their arrival.

    Every inlet has a credit of its own, as large as the demand but not above a chunk: a fast inlet cannot keep out a slow one.

    Emits when: an element arrives at any inlet.
    Backpressures when: downstream does.
    Completes when: all inlets have completed (with `eager_complete`: one has) and what is held has gone out.
    Cancels when: downstream cancels; all inlets.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        count: inlets, named `in0`, `in1`, ...
        eager_complete: complete as soon as one inlet completes; what the others still send is cancelled.
    """

    kind: ClassVar[str] = "merge"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

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
        """What was asked of all inlets and came at once; it does not wait for further elements."""
        return Hold(self.count * CHUNK_ELEMENTS, 0.0)

    def create_logic(self) -> StageLogic:
        """A logic with what waits."""
        return _Logic(self)


class _Logic(OutboxLogic):
    def __init__(self, stage: Merge) -> None:
        self.bound = stage.count * CHUNK_ELEMENTS  # type: ignore[misc]  # as many elements are asked for at most
        self._inlets = stage.inlets
        self._held = [0] * stage.count
        self._eager = stage.eager_complete
        self._open = stage.count

    def ask(self) -> None:
        credit = min(self.demand(OUT), CHUNK_ELEMENTS)
        waiting = self.out.elements
        for inlet in self._inlets:
            n = credit - waiting - self.requested(inlet)
            if n > 0 and not self.is_closed(inlet):
                self.request(inlet, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self.out.put(chunk)
        self.proceed()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        self._open -= 1
        if not self._open or self._eager:
            for other in self._inlets:
                self.cancel(other)
            super().on_upstream_finish(inlet)

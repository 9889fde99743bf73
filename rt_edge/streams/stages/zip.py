"""zip: tuples of one element of each stream."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk, join
from rt_edge.streams.stage import OUT, Hold, Inlet, ReceiptUse, StageLogic
from rt_edge.streams.stages._common import Combining, discard, inlets, intake, ports, settle_rest, take_parts
from rt_edge.streams.stages._outbox import OutboxLogic


class Zip(Combining, frozen=True):
    """Emits tuples of the first, second, ... elements of all inlets.

    Emits when: every inlet has an element.
    Backpressures when: downstream does; an inlet that is ahead waits for the others.
    Completes when: an inlet completes and none of its elements is held. What the others hold is settled as dropped, `unpaired`.
    Cancels when: downstream cancels; all inlets.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        count: inlets, named `in0`, `in1`, ...
    """

    kind: ClassVar[str] = "zip"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    count: int = 2

    def __post_init__(self) -> None:
        """Refuse a number of ports that makes no sense."""
        ports("count", self.count)

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        """`in0`, `in1`, ..."""
        return inlets(self.count)

    def holds(self) -> Hold:
        """What the other inlets are ahead of one; each by a chunk at most."""
        return Hold(0 if self.settle == "early" else (self.count - 1) * CHUNK_ELEMENTS)

    def create_logic(self) -> StageLogic:
        """A logic with what waits for its partners."""
        return _Logic(self)


class _Logic(OutboxLogic):
    def __init__(self, stage: Zip) -> None:
        self._stage = stage
        self._inlets = stage.inlets
        self._held: list[list[Chunk]] = [[] for _ in stage.inlets]
        self._n = [0] * stage.count

    def ask(self) -> None:
        wanted = min(self.demand(OUT) - self.out.elements, CHUNK_ELEMENTS)
        for inlet, held in zip(self._inlets, self._n, strict=True):
            n = wanted - held - self.requested(inlet)
            if n > 0 and not self.is_closed(inlet):
                self.request(inlet, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self._held[inlet.index].append(intake(self._stage, chunk))
        self._n[inlet.index] += len(chunk)
        n = min(self._n)
        if n:
            self._emit(n)
            if self._is_over():
                self._finish()
                return
        self.proceed()

    def _emit(self, n: int) -> None:
        columns = []
        parts: list[Chunk] = []
        for index, held in enumerate(self._held):
            taken, self._held[index] = take_parts(held, n)
            self._n[index] -= n
            parts += taken
            columns.append([item for part in taken for item in part.items])
        self.out.put(join(list(zip(*columns, strict=True)), parts))

    def _is_over(self) -> bool:
        return any(not n and self.is_closed(inlet) for inlet, n in zip(self._inlets, self._n, strict=True))

    def on_upstream_finish(self, inlet: Inlet) -> None:
        if self._is_over():
            self._finish()

    def _finish(self) -> None:
        for inlet in self._inlets:
            self.cancel(inlet)
        for held in self._held:
            for chunk in held:
                discard(self, chunk, "unpaired")
            held.clear()
        self._n = [0] * len(self._n)
        super().on_upstream_finish(self._inlets[0])

    def on_stop(self, error: BaseException | None) -> None:
        super().on_stop(error)
        for held in self._held:
            settle_rest(self, held, error)
            held.clear()

    def residue(self) -> list[Chunk]:
        """Pairs that wait, then the elements without partners, raw, inlet by inlet."""
        rest = [*super().residue(), *(chunk for held in self._held for chunk in held)]
        self._held = [[] for _ in self._inlets]
        self._n = [0] * len(self._n)
        return rest

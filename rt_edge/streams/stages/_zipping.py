"""What `zip` and `zip_all` share: elements that wait for partners, inlet by inlet."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk, join
from rt_edge.streams.stage import OUT, Hold, Inlet, ReceiptUse
from rt_edge.streams.stages._common import Combining, discard, inlets, intake, ports, settle_rest, take_parts
from rt_edge.streams.stages._outbox import OutboxLogic


class Zipping(Combining, frozen=True):
    """Base of stages that make tuples of one element of each inlet.

    Attributes:
        count: inlets, named `in0`, `in1`, ...
    """

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


class ZipLogic(OutboxLogic):
    """Keeps what waits for partners; emits tuples.

    Args:
        stage: inlets, and when to settle.
    """

    def __init__(self, stage: Zipping) -> None:
        self._stage = stage
        self._inlets = stage.inlets
        self._held: list[list[Chunk]] = [[] for _ in stage.inlets]
        self._n = [0] * stage.count

    # -- to override ---------------------------------------------------------------------------------------------------

    def ready(self) -> int:
        """How many tuples can be made at once."""
        return min(self._n)

    def column(self, index: int, items: list[Any], n: int) -> list[Any]:
        """`n` elements of what was taken of an inlet."""
        return items

    def is_over(self) -> bool:
        """Whether there can be no further tuple."""
        return any(map(self.has_ended, range(len(self._n))))

    # ------------------------------------------------------------------------------------------------------------------

    def has_ended(self, index: int) -> bool:
        """Whether an inlet has completed and nothing of it is held."""
        return not self._n[index] and self.is_closed(self._inlets[index])

    def ask(self) -> None:
        """As much as is wanted of each, less what is here."""
        wanted = min(self.demand(OUT) - self.out.elements, CHUNK_ELEMENTS)
        for inlet, held in zip(self._inlets, self._n, strict=True):
            n = wanted - held - self.requested(inlet)
            if n > 0 and not self.is_closed(inlet):
                self.request(inlet, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """It may be the partner that others wait for."""
        self._held[inlet.index].append(intake(self._stage, chunk))
        self._n[inlet.index] += len(chunk)
        self._advance()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """There may be no partner any more."""
        self._advance()

    def _advance(self) -> None:
        while n := self.ready():
            self._emit(n)
        if self.is_over():
            self._finish()
        else:
            self.proceed()

    def _emit(self, n: int) -> None:
        columns = []
        parts: list[Chunk] = []
        for index, held in enumerate(self._held):
            taken, self._held[index] = take_parts(held, min(n, self._n[index]))
            self._n[index] -= min(n, self._n[index])
            parts += taken
            columns.append(self.column(index, [item for part in taken for item in part.items], n))
        self.out.put(join(list(zip(*columns, strict=True)), parts))

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
        """Settle what is held."""
        super().on_stop(error)
        for held in self._held:
            settle_rest(self, held, error)
            held.clear()

    def residue(self) -> list[Chunk]:
        """Tuples that wait, then the elements without partners, raw, inlet by inlet."""
        rest = [*super().residue(), *(chunk for held in self._held for chunk in held)]
        self._held = [[] for _ in self._inlets]
        self._n = [0] * len(self._n)
        return rest

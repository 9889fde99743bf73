"""drop_last: all but the last elements."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.data.weave import emitted_again
from rt_edge.streams.stage import IN, OUT, Hold, Inlet, ReceiptUse, Stage, StageLogic
from rt_edge.streams.stages._common import at_least, discard, settle_rest, take_parts
from rt_edge.streams.stages._outbox import OutboxLogic


class DropLast(Stage, frozen=True):
    """Lets an element pass when `count` others came behind it; the last ones are settled as dropped, `skipped`.

    What an origin emits again passes at once: it has passed before, or comes too late to be told from what has.

    Emits when: an element arrives and `count` others are held; the oldest of them.
    Backpressures when: downstream does and `count` elements are held.
    Completes when: upstream completes.
    Cancels when: downstream cancels.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        count: how many.
    """

    kind: ClassVar[str] = "drop_last"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    count: int

    def __post_init__(self) -> None:
        """Refuse a negative count."""
        at_least(0, count=self.count)

    def holds(self) -> Hold:
        """As many as are going to be dropped, and a chunk that goes out as soon as it is wanted."""
        return Hold(self.count + CHUNK_ELEMENTS if self.count else CHUNK_ELEMENTS, None if self.count else 0.0)

    def create_logic(self) -> StageLogic:
        """A logic with what may be the last."""
        return _Logic(self.count)


class _Logic(OutboxLogic):
    def __init__(self, count: int) -> None:
        self.bound = CHUNK_ELEMENTS + count  # type: ignore[misc]  # as many elements are asked for at most
        self._count = count
        self._kept: list[Chunk] = []
        self._n = 0

    def ask(self) -> None:
        wanted = min(self.demand(OUT), CHUNK_ELEMENTS) - self.out.elements
        n = wanted + self._count - self._n - self.requested(IN)
        if wanted > 0 and n > 0:
            self.request(IN, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        again = emitted_again(chunk)
        if again is not None:
            self.out.put(chunk.take([place for place, comes_again in enumerate(again) if comes_again]))
            places = [place for place, comes_again in enumerate(again) if not comes_again]
            if not places:
                self.proceed()
                return
            chunk = chunk.take(places)
        self._kept.append(chunk)
        self._n += len(chunk)
        excess = self._n - self._count
        if excess > 0:
            old, self._kept = take_parts(self._kept, excess)
            self._n = self._count
            for part in old:
                self.out.put(part)
        self.proceed()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        for part in self._take_kept():
            discard(self, part, "skipped")
        super().on_upstream_finish(inlet)

    def _take_kept(self) -> list[Chunk]:
        kept, self._kept, self._n = self._kept, [], 0
        return kept

    def on_stop(self, error: BaseException | None) -> None:
        super().on_stop(error)
        settle_rest(self, self._take_kept(), error)

    def residue(self) -> list[Chunk]:
        """All that is held, raw: the stream goes on without this stage, so these are not its last elements."""
        return super().residue() + self._take_kept()

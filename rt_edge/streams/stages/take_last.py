"""take_last: the last elements only."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.streams.stage import IN, OUT, Hold, Inlet, ReceiptUse, Stage, StageLogic
from rt_edge.streams.stages._common import at_least, discard, settle_rest, take_parts
from rt_edge.streams.stages._outbox import OutboxLogic

REPLACED = "replaced"
"""The reason of what others came behind."""


class TakeLast(Stage, frozen=True):
    """Emits the last `count` elements when the stream ends; the others are settled as dropped, `replaced`.

    Emits when: upstream completes.
    Backpressures when: downstream does not ask at all.
    Completes when: upstream completes and what is held has gone out.
    Cancels when: downstream cancels.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        count: how many.
    """

    kind: ClassVar[str] = "take_last"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD
    comes_again: ClassVar[str] = "counts as the latest"

    count: int

    def __post_init__(self) -> None:
        """Refuse to keep nothing."""
        at_least(1, count=self.count)

    def holds(self) -> Hold:
        """The last elements, until the end."""
        return Hold(self.count)

    def create_logic(self) -> StageLogic:
        """A logic with the last elements."""
        return _Logic(self.count)


class _Logic(OutboxLogic):
    def __init__(self, count: int) -> None:
        self.bound = count  # type: ignore[misc]  # as many chunks of one element at most
        self._count = count
        self._kept: list[Chunk] = []
        self._n = 0

    def ask(self) -> None:
        n = CHUNK_ELEMENTS - self.requested(IN)
        if self.demand(OUT) > 0 and n > 0:
            self.request(IN, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self._kept.append(chunk)
        self._n += len(chunk)
        excess = self._n - self._count
        if excess > 0:
            old, self._kept = take_parts(self._kept, excess)
            self._n = self._count
            for part in old:
                discard(self, part, REPLACED)
        self.request(IN, len(chunk))

    def on_upstream_finish(self, inlet: Inlet) -> None:
        for part in self._take_kept():
            self.out.put(part)
        super().on_upstream_finish(inlet)

    def _take_kept(self) -> list[Chunk]:
        kept, self._kept, self._n = self._kept, [], 0
        return kept

    def on_stop(self, error: BaseException | None) -> None:
        super().on_stop(error)
        settle_rest(self, self._take_kept(), error)

    def residue(self) -> list[Chunk]:
        return super().residue() + self._take_kept()

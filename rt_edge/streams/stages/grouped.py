"""grouped: lists of a fixed length."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk, join
from rt_edge.streams.stage import IN, OUT, Hold, Inlet, ReceiptUse, StageLogic
from rt_edge.streams.stages._common import Combining, at_least, intake, settle_rest, take_parts
from rt_edge.streams.stages._outbox import OutboxLogic


class Grouped(Combining, frozen=True):
    """Makes one list of `count` consecutive elements; the last list may be shorter.

    Emits when: `count` elements have arrived.
    Backpressures when: downstream does; nothing is collected before a list is asked for.
    Completes when: upstream completes and the last list was emitted.
    Cancels when: downstream cancels.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        count: elements of a list.
    """

    kind: ClassVar[str] = "grouped"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD
    comes_again: ClassVar[str] = "may be in another list than before"

    count: int

    def __post_init__(self) -> None:
        """Refuse an empty list."""
        at_least(1, count=self.count)

    def holds(self) -> Hold:
        """Up to one list, for as long as it takes to fill it."""
        return Hold(0 if self.settle == "early" else self.count)

    def create_logic(self) -> StageLogic:
        """A logic with the list that is being filled."""
        return GroupLogic(self, self.count)


class GroupLogic(OutboxLogic):
    """Collects elements; emits lists of `count`."""

    def __init__(self, stage: Combining, count: int) -> None:
        self.stage = stage
        self.count = count
        self.held: list[Chunk] = []
        self.n = 0

    def ask(self) -> None:
        """As many elements as fill the lists that are wanted; at most a chunk or a list at a time."""
        wanted = self.demand(OUT) - self.out.elements
        most = min(wanted * self.count, max(self.count, CHUNK_ELEMENTS))
        n = most - self.n - self.requested(IN)
        if n > 0:
            self.request(IN, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Fill lists."""
        self.held.append(intake(self.stage, chunk))
        self.n += len(chunk.items)
        while self.n >= self.count:
            self.emit(self.count)
        self.proceed()

    def emit(self, n: int) -> None:
        """Emit one list of the first `n` elements held."""
        self.out.put(self.group(n))

    def group(self, n: int) -> Chunk:
        """One list of the first `n` elements held."""
        parts, self.held = take_parts(self.held, n)
        self.n -= n
        items: list[Any] = []
        for part in parts:
            items += part.items
        return join([items], parts)

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """The last list may be short."""
        if self.n:
            self.emit(self.n)
        super().on_upstream_finish(inlet)

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what is held."""
        super().on_stop(error)
        settle_rest(self, self.held, error)
        self.held, self.n = [], 0

    def residue(self) -> list[Chunk]:
        """Full lists, then a short one."""
        return super().residue() + ([self.group(self.n)] if self.n else [])

"""sliding: lists that overlap."""

from __future__ import annotations

from collections import deque
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk, join
from rt_edge.streams.stage import IN, OUT, Hold, Inlet, Outlet, ReceiptUse, StageLogic
from rt_edge.streams.stages._common import Combining, at_least, discard, intake, settle_rest
from rt_edge.streams.stages._outbox import OutboxLogic


class Sliding(Combining, frozen=True):
    """Makes lists of `count` consecutive elements, each beginning `step` elements after the one before.

    With a step above the count elements between two lists are left out (settled as dropped, `skipped`). The last list may be
    shorter, and is there only if it has an element that no other list has. An element is stored when one list with it is, and
    none failed.

    Emits when: the last element of a list has arrived.
    Backpressures when: downstream does.
    Completes when: upstream completes and the last list was emitted.
    Cancels when: downstream cancels.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        count: elements of a list.
        step: elements from the begin of a list to the begin of the next.
    """

    kind: ClassVar[str] = "sliding"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    count: int
    step: int = 1

    def __post_init__(self) -> None:
        """Refuse empty lists and lists without end."""
        at_least(1, count=self.count, step=self.step)

    def holds(self) -> Hold:
        """The elements of the lists that are not full."""
        return Hold(0 if self.settle == "early" else self.count)

    def create_logic(self) -> StageLogic:
        """A logic with the lists that are being filled."""
        return _Logic(self)


class _Logic(OutboxLogic):
    def __init__(self, stage: Sliding) -> None:
        self._stage = stage
        self._items: list[Any] = []  # of the oldest open list and those behind it
        self._open: deque[list[Chunk]] = deque(maxlen=-(-stage.count // stage.step))  # receipts of each open list
        self._came = 0
        self._fresh = False  # an element has come that no emitted list has

    def ask(self) -> None:
        """What fills the lists that are wanted; if none is ready, so that not more than a list is held besides."""
        wanted = 0 if self.out else self.demand(OUT)
        if wanted <= 0 or self.requested(IN):
            return
        count, step = self._stage.count, self._stage.step
        lacks = max(1, count - len(self._items))
        self.request(IN, min(lacks + (wanted - 1) * step, max(lacks, count), CHUNK_ELEMENTS))

    def on_pull(self, outlet: Outlet, n: int) -> None:
        super().on_pull(outlet, n)
        if not self.finished and not self.out:
            self.proceed()  # nothing was asked for as long as lists were ready

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        chunk = intake(self._stage, chunk)
        made: list[Chunk] = []
        for place in range(len(chunk)):
            self._add(chunk.take([place]), made)
        if len(made) > 1 and chunk.receipt is None:
            made = [Chunk([x for one in made for x in one.items])] if all(one.receipt is None for one in made) else made
        for one in made:
            self.out.put(one)
        self.proceed()

    def _add(self, piece: Chunk, made: list[Chunk]) -> None:
        count, step = self._stage.count, self._stage.step
        if self._came % step == 0:
            self._open.append([])
        self._came += 1
        if not self._open:
            discard(self, piece, "skipped")
            return
        self._items.append(piece.items[0])
        self._fresh = True
        if piece.receipt is not None:
            shares = piece.fork(len(self._open)) if len(self._open) > 1 else [piece]
            for receipts, share in zip(self._open, shares, strict=True):
                receipts.append(share)
        if len(self._items) == count:
            made.append(self._oldest())
            del self._items[:step]

    def _oldest(self) -> Chunk:
        """The oldest list, as it is."""
        self._fresh = False
        return join([self._items[: self._stage.count]], self._open.popleft())

    def _last(self) -> list[Chunk]:
        """The last list, if it says something new; nothing is held afterwards."""
        last = [self._oldest()] if self._fresh else []
        for receipts in self._take_open():
            for share in receipts:
                share.drop("skipped")
        return last

    def _take_open(self) -> list[list[Chunk]]:
        taken = list(self._open)
        self._open.clear()
        self._items.clear()
        return taken

    def on_upstream_finish(self, inlet: Inlet) -> None:
        for chunk in self._last():
            self.out.put(chunk)
        super().on_upstream_finish(inlet)

    def on_stop(self, error: BaseException | None) -> None:
        super().on_stop(error)
        settle_rest(self, [share for receipts in self._take_open() for share in receipts], error)

    def residue(self) -> list[Chunk]:
        """Full lists, then the last one."""
        return super().residue() + self._last()

"""sliding: lists that overlap."""

from __future__ import annotations

from collections import deque
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.data.receipt import Dropped, Failed, Outcome
from rt_edge.data.weave import emitted_again
from rt_edge.streams.stage import IN, OUT, Hold, Inlet, Outlet, ReceiptUse, StageLogic
from rt_edge.streams.stages._common import Combining, at_least, bare, discard, intake, named
from rt_edge.streams.stages._joining import Share, share_each
from rt_edge.streams.stages._outbox import OutboxLogic

SKIPPED = "skipped"
"""The reason of what is between two lists."""


class Sliding(Combining, frozen=True):
    """Makes lists of `count` consecutive elements, each beginning `step` elements after the one before.

    With a step above the count elements between two lists are left out (settled as dropped, `skipped`), but for those that an
    origin emits again, which begin a list. The last list may be
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
    comes_again: ClassVar[str] = "may be in another list than before"

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
        self._open: deque[list[Share]] = deque(maxlen=-(-stage.count // stage.step))  # the elements of each open list
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
        count, step = self._stage.count, self._stage.step
        items, opened = self._items, self._open
        tracked = chunk.receipt is not None
        made: list[list[Any]] = []
        shares: list[list[Share]] = []
        again = emitted_again(chunk) if step > count else None
        for place, item in enumerate(chunk.items):
            if again is not None and again[place] and not opened:
                self._came = 0  # it was in a list: it begins another
            if self._came % step == 0:
                opened.append([])
            self._came += 1
            if not opened:
                discard(self, chunk.take([place]), SKIPPED)
                continue
            items.append(item)
            self._fresh = True
            if tracked:
                self._share(bare(chunk.take([place])))
            if len(items) == count:
                made.append(items[:])
                shares.append(opened.popleft())
                del items[:step]
                self._fresh = False
        if made:
            self.out.put(share_each(made, shares))
        self.proceed()

    def _share(self, piece: Chunk) -> None:
        """An element is in every list that is open when it comes."""
        share = Share(piece, SKIPPED)
        for own in self._open:
            share.use()
            own.append(share)
        share.close()

    def _last(self) -> list[Chunk]:
        """The last list, if it says something new; nothing is held afterwards."""
        last = [share_each([self._items[: self._stage.count]], [self._open.popleft()])] if self._fresh else []
        self._fresh = False
        self._let_go(Dropped(SKIPPED))
        return last

    def _let_go(self, outcome: Outcome) -> None:
        """What is in lists that are open has this outcome, as far as they are concerned."""
        taken = [share for own in self._open for share in own]
        self._open.clear()
        self._items.clear()
        if isinstance(outcome, Dropped) and outcome.reason != SKIPPED and taken:
            self.ctx.count(f"dropped_{outcome.reason}", len(dict.fromkeys(taken)))
        for share in taken:
            share.vote(outcome)

    def on_upstream_finish(self, inlet: Inlet) -> None:
        for chunk in self._last():
            self.out.put(chunk)
        super().on_upstream_finish(inlet)

    def on_stop(self, error: BaseException | None) -> None:
        super().on_stop(error)
        self._let_go(Dropped("cancelled") if error is None else Failed(named(self, error)))

    def residue(self) -> list[Chunk]:
        """Full lists, then the last one."""
        return super().residue() + self._last()

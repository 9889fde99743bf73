"""grouped_within: lists of a greatest length and a greatest age."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.data.units import Duration
from rt_edge.streams.stage import IN, OUT, Hold, Inlet, Outlet, ReceiptUse, StageLogic
from rt_edge.streams.stages._common import Combining, at_least, intake
from rt_edge.streams.stages.grouped import GroupLogic


class GroupedWithin(Combining, frozen=True):
    """Makes one list of up to `count` consecutive elements, at the latest `within` after the first of them arrived.

    Emits when: `count` elements are there, or `within` has passed since the first of them arrived; never an empty list.
    Backpressures when: downstream does; nothing is collected before a list is asked for.
    Completes when: upstream completes and the last list was emitted.
    Cancels when: downstream cancels.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        count: most elements of a list.
        within: longest time an element waits for others.
    """

    kind: ClassVar[str] = "grouped_within"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD
    comes_again: ClassVar[str] = "may be in another list than before"

    count: int
    within: Duration | float

    def __post_init__(self) -> None:
        """Refuse an empty list and no time."""
        at_least(1, count=self.count)
        at_least(0.001, within=self.within)

    def holds(self) -> Hold:
        """Up to one list, not longer than `within` while there is demand."""
        return Hold(0 if self.settle == "early" else self.count, float(self.within))

    def create_logic(self) -> StageLogic:
        """A logic with the list that is being filled and its timer."""
        return _Logic(self)


class _Logic(GroupLogic):
    def __init__(self, stage: GroupedWithin) -> None:
        super().__init__(stage, stage.count)
        self._within = float(stage.within)
        self._due = False  # the list is old enough, but was not wanted so far

    def ask(self) -> None:
        n = self.count - self.n - self.requested(IN) if self.demand(OUT) > self.out.elements else 0
        if n > 0:
            self.request(IN, n)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        if self._due and not self.out:
            self.emit(self.n)
            self.pull_again(OUT)
        else:
            super().on_pull(outlet, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        if not self.n:
            self.ctx.after(self._within, "within")
        self.held.append(intake(self.stage, chunk))
        self.n += len(chunk)
        if self.n >= self.count:
            self.emit(self.count)
        self.proceed()

    def on_timer(self, key: object) -> None:
        if not self.n:
            return
        if self.is_free(OUT) and self.demand(OUT) > 0:
            self.emit(self.n)
            self.proceed()
        else:
            self._due = True
            self.pull_again(OUT)

    def emit(self, n: int) -> None:
        self._due = False
        self.ctx.cancel_timer("within")
        super().emit(n)

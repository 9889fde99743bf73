"""grouped_weighted_within: lists of a greatest weight and a greatest age."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.data.units import Duration
from rt_edge.streams.stage import OUT, Hold, Inlet, Outlet, StageLogic
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._cutting import CutLogic, Cutting
from rt_edge.streams.stages._judging import Failed, check_by, weights_of


class GroupedWeightedWithin(Cutting, frozen=True, kw_only=True):
    """Makes lists of consecutive elements whose weights add up to `weight` at most, at the latest `within` after the first came.

    An element that is heavier than that is a list alone.

    Emits when: elements of `weight` have arrived, one that would be too much, or `most` elements; or `within` has passed since
        the first of the list arrived.
    Backpressures when: downstream does; nothing is collected before a list is asked for.
    Completes when: upstream completes and the last list was emitted.
    Cancels when: downstream cancels.
    On restart: what is held fails with the element that could not be weighed.

    Attributes:
        weight: of a list, at most.
        cost: expression on a reading, or function of an element, that gives its weight: a number of at least 0.
        within: longest time an element waits for others.
    """

    kind: ClassVar[str] = "grouped_weighted_within"
    comes_again: ClassVar[str] = "may be in another list than before"

    weight: float
    cost: Any
    within: Duration | float

    def __post_init__(self) -> None:
        """Refuse a weight that is none, no time, and a cost that is neither an expression nor a function."""
        super().__post_init__()
        at_least(0, weight=self.weight)
        at_least(0.001, within=self.within)
        check_by("cost", self.cost)

    def holds(self) -> Hold:
        """Up to one list of the greatest length, not longer than `within` while there is demand."""
        return Hold(0 if self.settle == "early" else self.most, float(self.within))

    def create_logic(self) -> StageLogic:
        """A logic with the list that is being filled and its timer."""
        return _Logic(self)


class _Logic(CutLogic):
    def __init__(self, stage: GroupedWeightedWithin) -> None:
        super().__init__(stage)
        self._weight = stage.weight
        self._within = float(stage.within)
        self._sum = 0.0
        self._weigh = weights_of(stage.cost, stage.supervision)
        self._timed = False
        self._is_due = False  # the list is old enough, but was not wanted so far

    def judge(self, items: Any) -> tuple[list[Any], int, Failed]:
        return self._weigh(items)

    def begins(self, said: Any) -> bool:
        return bool(self._sum + said > self._weight)

    def is_full(self, said: Any) -> bool:
        self._sum += said
        return self._sum >= self._weight

    def forget(self) -> None:
        self._sum = 0.0

    def emit(self, n: int) -> None:
        self._is_due = self._timed = False
        self.ctx.cancel_timer("within")
        super().emit(n)

    def _restart(self, rest: Chunk | None, said: list[Any], failures: Failed) -> tuple[Chunk | None, list[Any]]:
        self._is_due = self._timed = False
        self.ctx.cancel_timer("within")
        return super()._restart(rest, said, failures)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        super().on_push(inlet, chunk)
        if self.n and not self._timed:
            self._timed = True
            self.ctx.after(self._within, "within")

    def on_pull(self, outlet: Outlet, n: int) -> None:
        if self._is_due and self.n and not self.out:
            self._close()
            self.pull_again(OUT)
        else:
            super().on_pull(outlet, n)

    def on_timer(self, key: object) -> None:
        self._timed = False
        if not self.n:
            return
        if self.is_free(OUT) and self.demand(OUT) > 0 and not self.out:
            self._close()
            self.proceed()
        else:
            self._is_due = True
            self.pull_again(OUT)

    def _close(self) -> None:
        self.forget()
        self.emit(self.n)

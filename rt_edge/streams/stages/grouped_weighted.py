"""grouped_weighted: lists of a least weight."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._cutting import CutLogic, Cutting
from rt_edge.streams.stages._judging import Failed, check_by, weights_of


class GroupedWeighted(Cutting, frozen=True, kw_only=True):
    """Makes lists of consecutive elements whose weights add up to `weight` or more; the last list may be lighter.

    Emits when: elements of `weight` have arrived, or `most` elements.
    Backpressures when: downstream does; nothing is collected before a list is asked for.
    Completes when: upstream completes and the last list was emitted.
    Cancels when: downstream cancels.
    On restart: what is held fails with the element that could not be weighed.

    Attributes:
        weight: of a list, at least.
        cost: expression on a reading, or function of an element, that gives its weight: a number of at least 0.
    """

    kind: ClassVar[str] = "grouped_weighted"
    comes_again: ClassVar[str] = "may be in another list than before"

    weight: float
    cost: Any

    def __post_init__(self) -> None:
        """Refuse a weight that is none, and a cost that is neither an expression nor a function."""
        super().__post_init__()
        at_least(0, weight=self.weight)
        check_by("cost", self.cost)

    def create_logic(self) -> StageLogic:
        """A logic with the list that is being filled."""
        return _Logic(self)


class _Logic(CutLogic):
    def __init__(self, stage: GroupedWeighted) -> None:
        super().__init__(stage)
        self._weight = stage.weight
        self._sum = 0.0
        self._weigh = weights_of(stage.cost, stage.supervision)

    def judge(self, items: Any) -> tuple[list[Any], int, Failed]:
        return self._weigh(items)

    def begins(self, said: Any) -> bool:
        return False

    def is_full(self, said: Any) -> bool:
        self._sum += said
        return self._sum >= self._weight

    def forget(self) -> None:
        self._sum = 0.0

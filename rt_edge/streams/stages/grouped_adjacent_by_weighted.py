"""grouped_adjacent_by_weighted: lists of neighbours with the same key, of a greatest weight."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.streams.stage import StageLogic, Supervision
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._cutting import CutLogic, Cutting
from rt_edge.streams.stages._judging import Failed, check_by, judge_of, weights_of


class GroupedAdjacentByWeighted(Cutting, frozen=True, kw_only=True):
    """Makes lists of consecutive elements that have the same key and whose weights add up to `weight` at most.

    An element that is heavier than that is a list alone.

    Emits when: an element arrives that has another key or would be too much, or `most` elements are there.
    Backpressures when: downstream does; nothing is collected before a list is asked for.
    Completes when: upstream completes and the last list was emitted.
    Cancels when: downstream cancels.
    On restart: what is held fails with the element that could not be judged.

    Attributes:
        by: expression on a reading, or function of an element, that gives its key.
        weight: of a list, at most.
        cost: expression on a reading, or function of an element, that gives its weight: a number of at least 0.
    """

    kind: ClassVar[str] = "grouped_adjacent_by_weighted"
    comes_again: ClassVar[str] = "may be in another list than before"

    by: Any
    weight: float
    cost: Any

    def __post_init__(self) -> None:
        """Refuse what is neither an expression nor a function."""
        super().__post_init__()
        at_least(0, weight=self.weight)
        check_by("by", self.by)
        check_by("cost", self.cost)

    def create_logic(self) -> StageLogic:
        """A logic with the list that is being filled."""
        return _Logic(self)


class _Logic(CutLogic):
    def __init__(self, stage: GroupedAdjacentByWeighted) -> None:
        super().__init__(stage)
        self._weight = stage.weight
        self._judge = judge_of(stage.by, stage.supervision)
        self._weigh = weights_of(stage.cost, stage.supervision)
        self._key: Any = None
        self._sum = 0.0

    def judge(self, items: Any) -> tuple[list[Any], int, Failed]:
        keys, missing, failures = self._judge(items)
        if failures and self._policy is Supervision.STOP:
            return keys, missing, failures
        costs, lacking, wrong = self._weigh(items)
        known = {place for place, _ in failures}
        failures = sorted([*failures, *(one for one in wrong if one[0] not in known)], key=lambda failure: failure[0])
        return list(zip(keys, costs, strict=False)), missing + lacking, failures

    def begins(self, said: Any) -> bool:
        key, cost = said
        return bool(key != self._key or self._sum + cost > self._weight)

    def is_full(self, said: Any) -> bool:
        self._key, cost = said
        self._sum += cost
        return False

    def forget(self) -> None:
        self._key, self._sum = None, 0.0

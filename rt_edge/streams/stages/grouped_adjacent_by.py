"""grouped_adjacent_by: lists of neighbours with the same key."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._cutting import CutLogic, Cutting
from rt_edge.streams.stages._judging import Failed, check_by, judge_of


class GroupedAdjacentBy(Cutting, frozen=True, kw_only=True):
    """Makes lists of consecutive elements that have the same key.

    Emits when: an element with another key arrives, or `most` elements are there.
    Backpressures when: downstream does; nothing is collected before a list is asked for.
    Completes when: upstream completes and the last list was emitted.
    Cancels when: downstream cancels.
    On restart: what is held fails with the element whose key could not be found.

    Attributes:
        by: expression on a reading, or function of an element, that gives its key.
    """

    kind: ClassVar[str] = "grouped_adjacent_by"
    shorthand: ClassVar[str] = "by"
    comes_again: ClassVar[str] = "may be in another list than before"

    by: Any

    def __post_init__(self) -> None:
        """Refuse what is neither an expression nor a function."""
        super().__post_init__()
        check_by("by", self.by)

    def create_logic(self) -> StageLogic:
        """A logic with the list that is being filled."""
        return _Logic(self)


class _Logic(CutLogic):
    def __init__(self, stage: GroupedAdjacentBy) -> None:
        super().__init__(stage)
        self._judge = judge_of(stage.by, stage.supervision)
        self._key: Any = None

    def judge(self, items: Any) -> tuple[list[Any], int, Failed]:
        return self._judge(items)

    def begins(self, said: Any) -> bool:
        return bool(said != self._key)

    def is_full(self, said: Any) -> bool:
        self._key = said
        return False

    def forget(self) -> None:
        self._key = None

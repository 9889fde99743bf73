"""take_until: the elements up to the first that is judged true, and that one."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._common import ReadingCode
from rt_edge.streams.stages._judging import check_by
from rt_edge.streams.stages.take_while import TakeFrontLogic


class TakeUntil(ReadingCode, frozen=True):
    """Lets elements pass until a predicate is true, that one too, then completes. What had come behind is dropped, `cancelled`.

    Under an expression a missing field counts as false (counter `missing_field`), and gap records pass.

    Emits when: an element arrives.
    Backpressures when: downstream does.
    Completes when: the predicate was true for an element, or upstream completes.
    Cancels when: the predicate was true for an element, or downstream cancels.

    Attributes:
        predicate: expression on a reading, or function of an element, that gives a truth.
    """

    kind: ClassVar[str] = "take_until"

    predicate: Any

    def __post_init__(self) -> None:
        """Refuse what is neither an expression nor a function."""
        check_by("predicate", self.predicate)

    def create_logic(self) -> StageLogic:
        """A logic without state."""
        return TakeFrontLogic(self, self.predicate, decides=True, inclusive=True)

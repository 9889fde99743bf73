"""zip_all: tuples of one element of each stream, to the end of the longest."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._zipping import ZipLogic, Zipping


class ZipAll(Zipping, frozen=True):
    """Emits tuples of the first, second, ... elements of all inlets; `fill` stands for those of an inlet that has completed.

    Emits when: every inlet has an element or has completed, and one has an element.
    Backpressures when: downstream does; an inlet that is ahead waits for the others.
    Completes when: all inlets have completed and what is held has gone out.
    Cancels when: downstream cancels; all inlets.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        count: inlets, named `in0`, `in1`, ...
        fill: in the place of an element that is missing.
    """

    kind: ClassVar[str] = "zip_all"
    comes_again: ClassVar[str] = "may be in another tuple than before"

    fill: Any = None

    def create_logic(self) -> StageLogic:
        """A logic with what waits for its partners."""
        return _Logic(self)


class _Logic(ZipLogic):
    def __init__(self, stage: ZipAll) -> None:
        super().__init__(stage)
        self._fill = stage.fill

    def ready(self) -> int:
        return min((n for index, n in enumerate(self._n) if not self.has_ended(index)), default=0)

    def column(self, index: int, items: list[Any], n: int) -> list[Any]:
        return items or [self._fill] * n

    def is_over(self) -> bool:
        return all(map(self.has_ended, range(len(self._n))))

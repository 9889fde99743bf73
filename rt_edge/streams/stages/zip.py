"""zip: tuples of one element of each stream."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._zipping import ZipLogic, Zipping


class Zip(Zipping, frozen=True):
    """Emits tuples of the first, second, ... elements of all inlets.

    Emits when: every inlet has an element.
    Backpressures when: downstream does; an inlet that is ahead waits for the others.
    Completes when: an inlet completes and none of its elements is held. What the others hold is settled as dropped, `unpaired`.
    Cancels when: downstream cancels; all inlets.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        count: inlets, named `in0`, `in1`, ...
    """

    kind: ClassVar[str] = "zip"
    comes_again: ClassVar[str] = "may be in another tuple than before"

    def create_logic(self) -> StageLogic:
        """A logic with what waits for its partners."""
        return ZipLogic(self)

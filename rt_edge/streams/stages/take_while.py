"""take_while: the elements up to the first that is judged false."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import IN, OUT, Inlet, Stage, StageLogic
from rt_edge.streams.stages._common import ReadingCode, discard
from rt_edge.streams.stages._judging import FrontLogic, check_by

BEHIND = "cancelled"
"""The reason of what came in one chunk with the last element."""


class TakeWhile(ReadingCode, frozen=True):
    """Lets elements pass until a predicate is false, then completes. What had come behind is settled as dropped, `cancelled`.

    Under an expression a missing field counts as false (counter `missing_field`), and gap records pass.

    Emits when: an element arrives for which the predicate is true; with `inclusive` also the first for which it is false.
    Backpressures when: downstream does.
    Completes when: the predicate is false, or upstream completes.
    Cancels when: the predicate is false, or downstream cancels.

    Attributes:
        predicate: expression on a reading, or function of an element, that gives a truth.
        inclusive: whether the element that ends it passes too.
    """

    kind: ClassVar[str] = "take_while"

    predicate: Any
    inclusive: bool = False

    def __post_init__(self) -> None:
        """Refuse what is neither an expression nor a function."""
        check_by("predicate", self.predicate)

    def create_logic(self) -> StageLogic:
        """A logic without state."""
        return TakeFrontLogic(self, self.predicate, decides=False, inclusive=self.inclusive)


class TakeFrontLogic(FrontLogic):
    """Lets pass what stands in front of the element that decides; ends there."""

    def __init__(self, stage: Stage, predicate: Any, decides: bool, inclusive: bool) -> None:
        super().__init__(stage, predicate, decides)
        self._inclusive = inclusive

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Cut the chunk where it is decided."""
        n, decided, failures = self.front(chunk.items)
        if decided:
            n += self._inclusive
            if not n:
                discard(self, chunk, BEHIND)
                self.complete_stage()
                return
            if n < len(chunk):
                chunk, behind = chunk.cut(n)
                discard(self, behind, BEHIND)
        rest: Chunk | None = chunk
        if failures:
            rest, _ = self.survivors(chunk, list(chunk.items), failures)
        else:
            self.note_success()
        if rest is not None:
            self.push(OUT, rest)
        if self.stop_after(failures):
            return
        if decided:
            self.complete_stage()
        elif failures:
            self.request(IN, len(failures))

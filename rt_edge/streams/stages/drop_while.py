"""drop_while: the elements from the first on that is judged false."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import IN, OUT, Inlet, StageLogic
from rt_edge.streams.stages._common import ReadingCode, skip
from rt_edge.streams.stages._judging import FrontLogic, check_by
from rt_edge.streams.stages._latest import gather


class DropWhile(ReadingCode, frozen=True):
    """Discards elements as long as a predicate is true (settled as dropped, `skipped`), lets all others pass.

    What an origin emits again passes: what was discarded does not come again.

    Under an expression a missing field counts as false (counter `missing_field`), and gap records as true.

    Emits when: an element arrives and the predicate was false for it or one before it.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.
    On restart: what was decided stays.

    Attributes:
        predicate: expression on a reading, or function of an element, that gives a truth; not called after it was false.
    """

    kind: ClassVar[str] = "drop_while"

    predicate: Any

    def __post_init__(self) -> None:
        """Refuse what is neither an expression nor a function."""
        check_by("predicate", self.predicate)

    def create_logic(self) -> StageLogic:
        """A logic that knows whether it still drops."""
        return _Logic(self)


class _Logic(FrontLogic):
    def __init__(self, stage: DropWhile) -> None:
        super().__init__(stage, stage.predicate, decides=False)
        self._dropping = True

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        if not self._dropping:
            self.push(OUT, chunk)
            return
        n, decided, failures = self.front(chunk.items)
        front: Chunk | None = chunk
        passing: list[Chunk] = []
        if decided:
            self._dropping = False
            front, rest = chunk.cut(n) if n else (None, chunk)
            passing.append(rest)
        if front is not None and failures:
            front, _ = self.survivors(front, list(front.items), failures)
        elif front is not None:
            self.note_success()
        if front is not None:
            front, _ = skip(self, front, len(front))
        if front is not None:
            passing.insert(0, front)
            n -= len(front)
        for out in gather(passing):  # one: they are of one chunk
            self.push(OUT, out)
        if not self.stop_after(failures) and n:
            self.request(IN, n)

"""interleave: some elements of one stream, then some of the next."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._fan_in import FanIn, FanInLogic


class Interleave(FanIn, frozen=True):
    """Emits `segment` elements of the first inlet, as many of the next, and so on round; it waits for the one whose turn it is.

    Emits when: the inlet whose turn it is has an element.
    Backpressures when: downstream does; inlets whose turn has not come are asked for what is wanted, a chunk at most.
    Completes when: all inlets have completed (with `eager_complete`: one has) and what they sent has gone out; what the others
        are ahead is settled as dropped, `cancelled`. One that has completed has no turn any more.
    Cancels when: downstream cancels; all inlets.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        count: inlets, named `in0`, `in1`, ...
        segment: elements of a turn.
        eager_complete: complete as soon as one inlet has completed and its elements have gone out.
    """

    kind: ClassVar[str] = "interleave"

    segment: int = 1
    eager_complete: bool = False

    def __post_init__(self) -> None:
        """Refuse turns of nothing."""
        super().__post_init__()
        at_least(1, segment=self.segment)

    def create_logic(self) -> StageLogic:
        """A logic that knows whose turn it is."""
        return _Logic(self)


class _Logic(FanInLogic):
    def __init__(self, stage: Interleave) -> None:
        super().__init__(stage)
        self._segment = stage.segment
        self._eager = stage.eager_complete
        self._turn = 0
        self._left = stage.segment

    def next_piece(self, most: int) -> Chunk | None:
        if self.is_over():
            return None
        while self.has_ended(self._turn):
            self._next()
        if not self.n[self._turn]:
            return None
        piece = self.take(self._turn, min(most, self._left))
        self._left -= len(piece)
        if not self._left:
            self._next()
        return piece

    def _next(self) -> None:
        self._turn = (self._turn + 1) % len(self.inlets)
        self._left = self._segment

    def is_over(self) -> bool:
        return (any if self._eager else all)(map(self.has_ended, range(len(self.inlets))))

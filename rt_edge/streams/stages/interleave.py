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
        order = self._turns([self.at_hand(index) for index in range(len(self.inlets))], most)
        return self.take_woven(order) if order else None

    def _turns(self, at_hand: list[int], most: int) -> list[int]:
        """From which inlet each of the next elements comes, as far as they are at hand; the turns are taken."""
        over = [self.is_closed(inlet) and n == here for inlet, n, here in zip(self.inlets, self.n, at_hand, strict=True)]
        order: list[int] = []
        while len(order) < most:
            if over[self._turn] and not at_hand[self._turn]:
                if self._eager or all(ended and not n for ended, n in zip(over, at_hand, strict=True)):
                    break
                self._next()
                continue
            n = min(at_hand[self._turn], self._left, most - len(order))
            if not n:
                break
            order += [self._turn] * n
            at_hand[self._turn] -= n
            self._left -= n
            if not at_hand[self._turn] and self._eager and over[self._turn]:
                break
            if not self._left:
                self._next()
                order += self._rounds(at_hand, over, most - len(order))
        return order

    def _rounds(self, at_hand: list[int], over: list[bool], most: int) -> list[int]:
        """Whole rounds, in which every inlet has its turn and is not at its end: the common case, at once."""
        segment = self._segment
        there = [index for index, n in enumerate(at_hand) if n or not over[index]]
        rounds = min(most // (segment * max(1, len(there))), *(max(0, at_hand[index] - 1) // segment for index in there), most)
        if not rounds:
            return []
        for index in there:
            at_hand[index] -= rounds * segment
        first = next((place for place, index in enumerate(there) if index >= self._turn), 0)
        return [index for index in there[first:] + there[:first] for _ in range(segment)] * rounds

    def _next(self) -> None:
        self._turn = (self._turn + 1) % len(self.inlets)
        self._left = self._segment

    def is_over(self) -> bool:
        return (any if self._eager else all)(map(self.has_ended, range(len(self.inlets))))

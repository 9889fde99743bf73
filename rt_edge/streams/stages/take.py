"""take: the first elements only."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import IN, OUT, Inlet, Outlet, Stage, StageLogic
from rt_edge.streams.stages._common import at_least


class Take(Stage, frozen=True):
    """Lets the first `count` elements pass, then completes. It never asks for more than these.

    Emits when: an element arrives and fewer than `count` have.
    Backpressures when: downstream does.
    Completes when: `count` elements have passed, or upstream completes.
    Cancels when: `count` elements have passed, or downstream cancels.

    Attributes:
        count: how many; 0 completes at once.
    """

    kind: ClassVar[str] = "take"
    comes_again: ClassVar[str] = "counts once more"

    count: int

    def __post_init__(self) -> None:
        """Refuse a negative count."""
        at_least(0, count=self.count)

    def create_logic(self) -> StageLogic:
        """A logic that counts."""
        return _Logic(self.count)


class _Logic(StageLogic):
    def __init__(self, count: int) -> None:
        self._left = count

    def on_start(self) -> None:
        if not self._left:
            self.complete_stage()

    def on_pull(self, outlet: Outlet, n: int) -> None:
        n = min(self.demand(OUT), self._left) - self.requested(IN)
        if n > 0:
            self.request(IN, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self._left -= len(chunk)
        self.push(OUT, chunk)
        if not self._left:
            self.complete_stage()

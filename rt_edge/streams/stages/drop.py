"""drop: all but the first elements."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import IN, OUT, Inlet, Stage, StageLogic
from rt_edge.streams.stages._common import at_least, skip
from rt_edge.streams.stages._user_code import PassLogic


class Drop(Stage, frozen=True):
    """Discards the first `count` elements (settled as dropped, `skipped`), lets the others pass.

    What an origin emits again passes, and does not count: what was discarded does not come again.

    Emits when: an element arrives and `count` were discarded.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.

    Attributes:
        count: how many.
    """

    kind: ClassVar[str] = "drop"

    count: int

    def __post_init__(self) -> None:
        """Refuse a negative count."""
        at_least(0, count=self.count)

    def create_logic(self) -> StageLogic:
        """A logic that counts."""
        return _Logic(self.count)


class _Logic(PassLogic):
    def __init__(self, count: int) -> None:
        self._left = count

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        if not self._left:
            self.push(OUT, chunk)
            return
        rest, skipped = skip(self, chunk, self._left)
        self._left -= skipped
        if rest is not None:
            self.push(OUT, rest)
        if skipped:
            self.request(IN, skipped)

"""limit: an error when too many elements come."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import StreamError
from rt_edge.streams.stage import OUT, Inlet, Stage, StageLogic
from rt_edge.streams.stages._common import at_least, fail_behind, named
from rt_edge.streams.stages._user_code import PassLogic


class Limit(Stage, frozen=True):
    """Lets `count` elements pass and fails when another one comes. For what must not be endless (`take` ends it in peace).

    Emits when: an element arrives and fewer than `count` have.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: more than `count` elements come, or downstream cancels.

    Attributes:
        count: most elements.
    """

    kind: ClassVar[str] = "limit"
    comes_again: ClassVar[str] = "counts once more"

    count: int

    def __post_init__(self) -> None:
        """Refuse a negative count."""
        at_least(0, count=self.count)

    def create_logic(self) -> StageLogic:
        """A logic that counts."""
        return _Logic(self.count)


class _Logic(PassLogic):
    def __init__(self, count: int) -> None:
        self._count = self._left = count

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        left = self._left
        self._left -= len(chunk)
        if self._left >= 0:
            self.push(OUT, chunk)
            return
        error = StreamError(f"{self.ctx.name}: more than {self._count} elements came")
        if left:
            chunk, rest = chunk.cut(left)
            self.push(OUT, chunk)
        else:
            rest = chunk
        rest.fail(named(self, error))
        fail_behind(self, error)

"""zip_with_index: each element with its number."""

from __future__ import annotations

from itertools import count

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import OUT, Inlet, Stage, StageLogic
from rt_edge.streams.stages._user_code import PassLogic


class ZipWithIndex(Stage, frozen=True):
    """Replaces each element by a tuple of it and of its number in this run, from 0.

    Emits when: an element arrives.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.
    On restart: calls no user code, so it is not restarted.
    """

    def create_logic(self) -> StageLogic:
        """A logic that counts."""
        return _Logic()


class _Logic(PassLogic):
    def __init__(self) -> None:
        self._numbers = count()

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self.push(OUT, chunk.replace(list(zip(chunk.items, self._numbers, strict=False))))

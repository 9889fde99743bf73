"""map_while: one element for each, up to the first for which there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import IN, OUT, Inlet, StageLogic
from rt_edge.streams.stages._common import UserCode, discard
from rt_edge.streams.stages._judging import FrontLogic
from rt_edge.streams.stages.take_while import BEHIND


class MapWhile(UserCode, frozen=True):
    """Replaces each element by a function of it, and completes where that is None; what came behind is dropped, `cancelled`.

    Emits when: an element arrives for which the function is not None.
    Backpressures when: downstream does.
    Completes when: the function is None, or upstream completes.
    Cancels when: the function is None, or downstream cancels.

    Attributes:
        function: element -> element, or None: this and all behind it are not wanted.
    """

    function: Callable[[Any], Any]

    def create_logic(self) -> StageLogic:
        """A logic without state."""
        return _Logic(self)


class _Logic(FrontLogic):
    def __init__(self, stage: MapWhile) -> None:
        super().__init__(stage, self._note, decides=False)
        self._function = stage.function
        self._results: list[Any] = []

    def _note(self, item: Any) -> bool:
        self._results.append(None)
        self._results[-1] = result = self._function(item)
        return result is not None

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        results: list[Any] = []
        self._results = results
        n, decided, failures = self.front(chunk.items)
        if decided:
            front, behind = chunk.cut(n) if n else (None, chunk)
            discard(self, behind, BEHIND)
        else:
            front = chunk
        if front is not None and failures:
            front, results = self.survivors(front, results, failures)
        elif front is not None:
            self.note_success()
        if front is not None:
            self.push(OUT, front.replace(results[: len(front)]))
        if self.stop_after(failures):
            return
        if decided:
            self.complete_stage()
        elif failures:
            self.request(IN, len(failures))

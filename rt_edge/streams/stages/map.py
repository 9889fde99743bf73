"""map: one element for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import IN, OUT, Inlet, StageLogic
from rt_edge.streams.stages._common import UserCode
from rt_edge.streams.stages._user_code import ElementLogic, attempt, refuse_none


class Map(UserCode, frozen=True):
    """Replaces each element by a function of it.

    Emits when: an element arrives.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.

    Attributes:
        function: element -> element; not None.
    """

    function: Callable[[Any], Any]

    def create_logic(self) -> StageLogic:
        """A logic without state."""
        return _Logic(self)


class _Logic(ElementLogic):
    def __init__(self, stage: Map) -> None:
        super().__init__(stage)
        self._function = stage.function

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        results, failures = attempt(self._function, chunk.items, self._policy)
        refuse_none(results, failures)
        if not failures:
            self.push(OUT, chunk.replace(results))
            self.note_success()
            return
        rest, results = self.survivors(chunk, results, failures)
        if rest is not None:
            self.push(OUT, rest.replace(results))
        if not self.stop_after(failures):
            self.request(IN, len(failures))

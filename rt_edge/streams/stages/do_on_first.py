"""do_on_first: a function called with the first element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import IN, OUT, Inlet, StageLogic
from rt_edge.streams.stages._common import UserCode
from rt_edge.streams.stages._user_code import ElementLogic, attempt


class DoOnFirst(UserCode, frozen=True):
    """Calls a function with the first element, and lets all pass.

    Emits when: an element arrives.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.
    On restart: the first element is the one that failed; there is no other.

    Attributes:
        function: called with the first element; what it returns is let go.
    """

    function: Callable[[Any], Any]

    def create_logic(self) -> StageLogic:
        """A logic that knows whether it was called."""
        return _Logic(self)


class _Logic(ElementLogic):
    def __init__(self, stage: DoOnFirst) -> None:
        super().__init__(stage)
        self._function = stage.function
        self._done = False

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        if self._done:
            self.push(OUT, chunk)
            return
        self._done = True
        _, failures = attempt(self._function, chunk.items[:1], self._policy)
        rest: Chunk | None = chunk
        if failures:
            rest, _ = self.survivors(chunk, list(chunk.items), failures)
        if rest is not None:
            self.push(OUT, rest)
        if failures and not self.stop_after(failures):
            self.request(IN, 1)

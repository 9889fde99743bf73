"""recover: one last element instead of an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import OUT, Outlet, Stage, StageLogic
from rt_edge.streams.stages._failing import FailureLogic, note_recovery


class Recover(Stage, frozen=True):
    """Emits one element made of the error and completes, when upstream fails.

    What was on its way in front of this stage has failed with the error, towards its origin.

    Emits when: an element arrives; upstream failed and the function gives an element.
    Backpressures when: downstream does.
    Completes when: upstream completes, or failed and the last element was emitted.
    Cancels when: downstream cancels.
    On restart: keeps nothing.

    Attributes:
        function: error -> last element; None: it fails with the error; what it raises takes its place.
    """

    function: Callable[[BaseException], Any]

    def create_logic(self) -> StageLogic:
        """A logic that may hold the last element."""
        return _Logic(self.function)


class _Logic(FailureLogic):
    def __init__(self, function: Callable[[BaseException], Any]) -> None:
        self._function = function
        self._last: Chunk | None = None

    def on_pull(self, outlet: Outlet, n: int) -> None:
        if self._last is not None:
            self._offer(self._last)
        else:
            super().on_pull(outlet, n)

    def failed(self, error: BaseException) -> None:
        element = self._function(error)
        if element is None:
            self.fail_stage(error)
            return
        note_recovery(self, error)
        self._last = Chunk([element])
        self._offer(self._last)

    def _offer(self, last: Chunk) -> None:
        if not self.is_free(OUT):
            self.pull_again(OUT)
        elif self.demand(OUT) > 0:
            self.push(OUT, last)
            self.complete_stage()

    def residue(self) -> list[Chunk]:
        """The last element."""
        last, self._last = self._last, None
        return [last] if last is not None else []

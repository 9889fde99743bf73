"""map_error: another error instead of an error."""

from __future__ import annotations

from collections.abc import Callable

from rt_edge.streams.stage import Stage, StageLogic
from rt_edge.streams.stages._failing import FailureLogic


class MapError(Stage, frozen=True):
    """Replaces the error with which upstream fails.

    Emits when: an element arrives.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.
    On restart: keeps nothing.

    Attributes:
        function: error -> error; what it raises is taken, too.
    """

    function: Callable[[BaseException], BaseException]

    def create_logic(self) -> StageLogic:
        """A logic without state."""
        return _Logic(self.function)


class _Logic(FailureLogic):
    def __init__(self, function: Callable[[BaseException], BaseException]) -> None:
        self._function = function

    def failed(self, error: BaseException) -> None:
        mapped = self._function(error)
        if not isinstance(mapped, BaseException):
            raise TypeError(f"map_error gave {mapped!r} for {error!r}, which is no error")
        self.fail_stage(mapped)

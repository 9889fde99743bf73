"""on_error_complete: the end instead of an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from rt_edge.data.errors import ConfigError
from rt_edge.streams.stage import Stage, StageLogic
from rt_edge.streams.stages._failing import FailureLogic, applies, note_recovery


class OnErrorComplete(Stage, frozen=True):
    """Completes when upstream fails.

    Emits when: an element arrives.
    Backpressures when: downstream does.
    Completes when: upstream completes or fails.
    Cancels when: downstream cancels.
    On restart: keeps nothing.

    Attributes:
        predicate: error -> whether it is one of those; None: all are.
    """

    kind: ClassVar[str] = "on_error_complete"

    predicate: Any = None

    def __post_init__(self) -> None:
        """Refuse a predicate by name."""
        if self.predicate is not None and not callable(self.predicate):
            raise ConfigError("predicate has to be a function", "leave it out in a configuration")

    def create_logic(self) -> StageLogic:
        """A logic without state."""
        return _Logic(self.predicate)


class _Logic(FailureLogic):
    def __init__(self, predicate: Callable[[BaseException], Any] | None) -> None:
        self._predicate = predicate

    def failed(self, error: BaseException) -> None:
        if applies(error, self._predicate):
            note_recovery(self, error)
            self.complete_stage()
        else:
            self.fail_stage(error)

"""single, empty, failed, never: sources that say one thing or nothing."""

from __future__ import annotations

from typing import Any

from rt_edge.data.chunk import Chunk
from rt_edge.streams.stage import OUT, Inlet, Outlet, Stage, StageLogic


class _Source(Stage, frozen=True):
    @property
    def inlets(self) -> tuple[Inlet, ...]:
        """None."""
        return ()


class Single(_Source, frozen=True):
    """Emits one element.

    Emits when: asked.
    Backpressures when: downstream does.
    Completes when: the element was emitted.
    Cancels when: -

    Attributes:
        element: not None.
    """

    element: Any

    def create_logic(self) -> StageLogic:
        """A logic for one element."""
        return _SingleLogic(self.element)


class Empty(_Source, frozen=True):
    """Emits nothing.

    Emits when: never.
    Backpressures when: -
    Completes when: it starts.
    Cancels when: -
    """

    def create_logic(self) -> StageLogic:
        """A logic that completes."""
        return _EmptyLogic()


class Failed(_Source, frozen=True):
    """Emits nothing and fails.

    Emits when: never.
    Backpressures when: -
    Completes when: it fails when it starts.
    Cancels when: -

    Attributes:
        error: what it fails with.
    """

    error: BaseException

    def create_logic(self) -> StageLogic:
        """A logic that fails."""
        return _FailedLogic(self.error)


class Never(_Source, frozen=True):
    """Emits nothing and does not complete.

    Emits when: never.
    Backpressures when: -
    Completes when: never.
    Cancels when: -
    """

    def create_logic(self) -> StageLogic:
        """A logic that waits."""
        return _NeverLogic()


class _NeverLogic(StageLogic):
    def on_pull(self, outlet: Outlet, n: int) -> None:
        pass


class _EmptyLogic(_NeverLogic):
    def on_start(self) -> None:
        self.complete_stage()


class _FailedLogic(_NeverLogic):
    def __init__(self, error: BaseException) -> None:
        self._error = error

    def on_start(self) -> None:
        self.fail_stage(self._error)


class _SingleLogic(StageLogic):
    def __init__(self, element: Any) -> None:
        self._element = element

    def on_start(self) -> None:
        if self._element is None:
            raise TypeError("None is not an element (rule 2.13)")

    def on_pull(self, outlet: Outlet, n: int) -> None:
        self.push(OUT, Chunk([self._element]))
        self.complete_stage()

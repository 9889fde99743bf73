"""map_async_unordered: one element for each, made by a coroutine, as soon as it is done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._async import AsyncLogic, AsyncStage
from rt_edge.streams.stages._async_pieces import Finished, unordered


class MapAsyncUnordered(AsyncStage, frozen=True):
    """Replaces each element by what a coroutine function makes of it; up to `parallelism` calls at a time, results as they come.

    Emits when: a call has returned.
    Backpressures when: downstream does, or `parallelism` calls are under way and three times as many elements wait.
    Completes when: upstream completes and all calls have returned.
    Cancels when: downstream cancels; the calls under way are cancelled.
    On restart: all that is under way fails.

    Attributes:
        function: element -> awaitable of the element that takes its place; None is a failure (rule 2.13).
        parallelism: calls under way at most.
    """

    function: Callable[[Any], Awaitable[Any]]

    def create_logic(self) -> StageLogic:
        """A logic with workers."""
        return _Logic(self, self.function)


class _Logic(AsyncLogic):
    def finished(self) -> Finished:
        return unordered(self._pieces)

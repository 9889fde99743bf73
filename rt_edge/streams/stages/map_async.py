"""map_async: one element for each, made by a coroutine, in order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._async import AsyncLogic, AsyncStage
from rt_edge.streams.stages._async_pieces import Finished, ordered


class MapAsync(AsyncStage, frozen=True):
    """Replaces each element by what a coroutine function makes of it; up to `parallelism` calls at a time, results in order.

    An element that takes long holds up those behind it; `map_async_unordered` does not.

    Emits when: the call for the oldest element has returned.
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
        return ordered(self._pieces)

"""map_async_partitioned: elements of different keys side by side, those of one key one after the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Any

from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._async import AsyncLogic, AsyncStage
from rt_edge.streams.stages._async_pieces import Finished, ordered, unordered


class MapAsyncPartitioned(AsyncStage, frozen=True):
    """Replaces each element by what a coroutine function makes of it; of the elements of one key one at a time, in their order.

    Emits when: a call has returned (with `in_order`: the call for the oldest element).
    Backpressures when: downstream does, or `parallelism` calls are under way and three times as many elements wait.
    Completes when: upstream completes and all calls have returned.
    Cancels when: downstream cancels; the calls under way are cancelled.
    On restart: all that is under way fails.

    Attributes:
        key: element -> its key, hashable.
        function: element -> awaitable of the element that takes its place; None is a failure (rule 2.13).
        parallelism: calls under way at most.
        in_order: whether results go out in the order of all elements, not only in that of each key.
    """

    key: Callable[[Any], Hashable]
    function: Callable[[Any], Awaitable[Any]]
    in_order: bool = True

    def create_logic(self) -> StageLogic:
        """A logic with workers."""
        return _Logic(self)


class _Logic(AsyncLogic):
    def __init__(self, stage: MapAsyncPartitioned) -> None:
        super().__init__(stage, stage.function, stage.key)
        self._choose = ordered if stage.in_order else unordered

    def finished(self) -> Finished:
        return self._choose(self._pieces)

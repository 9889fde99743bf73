"""map_blocking: one element for each, made by a function that blocks, on threads of its own, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._async import AsyncLogic, AsyncStage
from rt_edge.streams.stages._async_pieces import Finished, ordered


class MapBlocking(AsyncStage, frozen=True):
    """Replaces each element by a function of it that may block (a file, a driver without a loop), on up to `parallelism` threads.

    The island's loop goes on meanwhile. A thread cannot be interrupted: when the stream ends early, a call that is under way
    is waited for by nobody, and its thread ends after it.

    Emits when: the call for the oldest element has returned.
    Backpressures when: downstream does, or `parallelism` calls are under way and three times as many elements wait.
    Completes when: upstream completes and all calls have returned.
    Cancels when: downstream cancels; calls that have not begun do not begin.
    On restart: all that is under way fails.

    Attributes:
        function: element -> the element that takes its place; None is a failure (rule 2.13). Called in other threads.
        parallelism: threads, and calls under way, at most.
    """

    function: Callable[[Any], Any]

    def create_logic(self) -> StageLogic:
        """A logic with threads."""
        return _Logic(self)


class _Logic(AsyncLogic):
    def __init__(self, stage: MapBlocking) -> None:
        super().__init__(stage, self._call)
        self._blocking = stage.function
        self._threads: ThreadPoolExecutor | None = None

    async def _call(self, item: Any) -> Any:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._most, thread_name_prefix=f"blocking-{self.ctx.name}")
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._blocking, item)

    def finished(self) -> Finished:
        return ordered(self._pieces)

    def on_stop(self, error: BaseException | None) -> None:
        super().on_stop(error)
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

"""Worker: the blocking calls of one logic, one after the other, on a thread of its own (`unfold_resource`, `to_path`)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rt_edge.streams.stage import StageContext

log = logging.getLogger(__name__)


class Worker:
    """Calls blocking functions in order. What was begun when the logic stops is finished, and then `end` is called.

    Args:
        context: of the logic.
        on_thread: on a thread of its own, which begins with the first call; else in the island's thread, for what does not block.
    """

    def __init__(self, context: StageContext, on_thread: bool) -> None:
        self._context = context
        self._name = context.name
        self._threads = ThreadPoolExecutor(1, thread_name_prefix=f"worker-{context.name}") if on_thread else None

    def call(self, function: Callable[[], Any], done: Callable[[Any, BaseException | None], None]) -> None:
        """Call `function`; then `done(result, error)` within a turn, unless the logic has stopped meanwhile."""
        self._context.spawn(self._run(function), done)

    async def _run(self, function: Callable[[], Any]) -> Any:
        if self._threads is None:
            return function()
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)

    def end(self, function: Callable[[], Any]) -> None:
        """Call `function` after what is under way, and nothing more; nobody waits for it. What it raises is logged."""
        if self._threads is None:
            self._last(function)
        else:
            self._threads.submit(self._last, function)
            self._threads.shutdown(wait=False)  # what was submitted is still done

    def _last(self, function: Callable[[], Any]) -> None:
        try:
            function()
        except Exception:
            log.exception("%s: the last call raised", self._name)

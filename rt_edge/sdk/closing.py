"""Closing that comes to its end, whoever stops waiting for it: the runtime gives a `close` up that takes too long.

async def open(self):
    await self._closing.ended()             # of a `close` that was given up
    ...

async def close(self):
    await self._closing.run(self._close)    # `_close` has the steps
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Closing:
    """The closing of one adapter.

    Args:
        name: of the task that it runs in.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._task: asyncio.Task[None] | None = None

    async def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do `work`, or wait for it where it is being done; who is cancelled stops waiting and stops nothing.

        Raises:
            Exception: what `work` raised.
        """
        if self._task is None:
            self._task = asyncio.create_task(work(), name=self._name)
            self._task.add_done_callback(self._done)
        await asyncio.shield(self._task)

    async def ended(self) -> None:
        """Return when nothing is being closed; what went wrong in it was for who closed."""
        while self._task is not None:
            await asyncio.wait([self._task])
            await asyncio.sleep(0)  # its callback comes after who waits

    def _done(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled():
            task.exception()  # seen: whoever still waits gets it

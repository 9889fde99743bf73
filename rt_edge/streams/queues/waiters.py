"""Waiters: coroutines, of any event loop, that wait until something has changed."""

from __future__ import annotations

import asyncio
from threading import Lock


class Waiters:
    """Those who wait for the next change.

    Args:
        lock: held by whoever changes what they wait for.
    """

    __slots__ = ("_lock", "_waiting")

    def __init__(self, lock: Lock) -> None:
        self._lock = lock
        self._waiting: set[asyncio.Future[None]] = set()

    def join(self) -> asyncio.Future[None]:
        """To be awaited by the running coroutine; the lock is held, so that no change is missed."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        return future

    def leave(self, future: asyncio.Future[None]) -> None:
        """It waits no more."""
        with self._lock:
            self._waiting.discard(future)

    def take(self) -> list[asyncio.Future[None]]:
        """All who wait; the lock is held. To be given to `wake`."""
        waiting = list(self._waiting)
        self._waiting.clear()
        return waiting


def wake(waiting: list[asyncio.Future[None]]) -> None:
    """Let them look; from any thread, without the lock."""
    for future in waiting:
        loop = future.get_loop()
        if not loop.is_closed():
            loop.call_soon_threadsafe(_resolve, future)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)

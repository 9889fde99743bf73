"""Waiting for a condition with a deadline: whoever changes the state rings, or whoever waits looks every so often."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Bell:
    """Rung at every change; wakes all who wait for a condition on what changed. One event loop."""

    def __init__(self) -> None:
        self._waiters: set[asyncio.Event] = set()

    def ring(self) -> None:
        """Something changed."""
        for waiter in self._waiters:
            waiter.set()

    async def until(self, condition: Callable[[], bool], within: float = 10.0, what: str = "the condition") -> None:
        """Return as soon as `condition` holds.

        Args:
            condition: looked at now and after every ring.
            within: seconds, the deadline.
            what: named when it did not happen.

        Raises:
            TimeoutError: it did not hold in time.
        """
        waiter = asyncio.Event()
        self._waiters.add(waiter)
        try:
            async with asyncio.timeout(within):
                while not condition():
                    waiter.clear()
                    await waiter.wait()
        except TimeoutError:
            raise TimeoutError(f"waited {within:g} s for {what}") from None
        finally:
            self._waiters.discard(waiter)


async def until(condition: Callable[[], object], within: float = 10.0, every: float = 0.01) -> None:
    """Return as soon as `condition` holds, for what nobody rings a bell for (counters, files, another process).

    Args:
        condition: looked at now and every so often.
        within: seconds, the deadline.
        every: seconds between two looks.

    Raises:
        TimeoutError: it did not hold in time.
    """
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=every)

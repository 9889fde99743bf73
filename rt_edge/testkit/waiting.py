"""Waiting for a condition with a deadline, without polling: whoever changes the state rings, whoever waits looks again."""

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

"""How a test waits: by driving what is tested by hand, beside threads that run by themselves, or by running an asyncio loop.

Two questions are asked of an environment: whether something comes true (`until`), and to let happen whatever may still happen
(`quiet`). Driven by hand both have an answer without any time passing. With threads, `until` waits for the doubles to ring, up to
the signal time-out, and `quiet` waits out the no-signal time-out: the shorter it is, the more a slow machine may hide.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from rt_edge.data.clock import SystemClock

SIGNAL_TIMEOUT_S = 0.1
"""How long a signal may take, where nothing else is said: that of the kit for the JVM."""

HAND_OVER_S = 10.0
"""Longest wait for a thread that makes one call."""


class Environment:
    """Base: nothing is under way but in the calls of the test itself.

    Args:
        signal_timeout: seconds that an expected signal may take.
        no_signal_timeout: seconds without a signal that prove there will be none; None: as `signal_timeout`.
    """

    by_hand = True
    """Whether nothing happens unless the test drives it."""

    def __init__(self, signal_timeout: float = SIGNAL_TIMEOUT_S, no_signal_timeout: float | None = None) -> None:
        self.signal_timeout = signal_timeout
        self.no_signal_timeout = signal_timeout if no_signal_timeout is None else no_signal_timeout
        self.clock = SystemClock()

    def settle(self) -> None:
        """Do what can be done at once; waits for nothing."""

    def until(self, condition: Callable[[], bool]) -> bool:
        """Whether `condition` comes true in time."""
        self.settle()
        return condition()

    def quiet(self) -> None:
        """Let everything happen that is going to."""
        self.settle()

    def ring(self) -> None:
        """A double got a call: whoever waits looks again. Called from any thread."""

    def elsewhere(self, call: Callable[[], Any]) -> Any:
        """Make a call from another thread (serially: it has returned when this does), and give back what it gives or raises."""
        result: list[Any] = []
        raised: list[BaseException] = []

        def run() -> None:
            try:
                result.append(call())
            except BaseException as error:  # noqa: BLE001  # it is raised again in the caller's thread
                raised.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(HAND_OVER_S)
        if thread.is_alive():
            raise AssertionError(f"a call from another thread has not returned within {HAND_OVER_S:g} s")
        if raised:
            raise raised[0]
        return result[0]

    def took(self, call: Callable[[], Any]) -> float:
        """The seconds for which `call` kept its caller."""
        before = self.clock.monotonic()
        call()
        return self.clock.monotonic() - before


class ByHand(Environment):
    """What is under way is brought to its end by calling `drive`; no time passes.

    Args:
        drive: runs what is tested until it rests.
    """

    def __init__(self, drive: Callable[[], None]) -> None:
        super().__init__()
        self._drive = drive

    def settle(self) -> None:
        """Run it until it rests."""
        self._drive()


class Threads(Environment):
    """What is tested has threads, or a loop in a thread, of its own."""

    by_hand = False

    def __init__(self, signal_timeout: float = SIGNAL_TIMEOUT_S, no_signal_timeout: float | None = None) -> None:
        super().__init__(signal_timeout, no_signal_timeout)
        self._changed = threading.Condition()

    def until(self, condition: Callable[[], bool]) -> bool:
        """Wait for it, up to the signal time-out."""
        with self._changed:
            return self._changed.wait_for(condition, self.signal_timeout)

    def quiet(self) -> None:
        """Wait out the no-signal time-out."""
        threading.Event().wait(self.no_signal_timeout)

    def ring(self) -> None:
        """Wake who waits."""
        with self._changed:
            self._changed.notify_all()


class OnLoop(Environment):
    """What is tested runs on an asyncio loop, which this environment runs in the test's own thread while it waits.

    Args:
        loop: not running; stays open.
        signal_timeout, no_signal_timeout: as of `Environment`.
    """

    by_hand = False

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        signal_timeout: float = SIGNAL_TIMEOUT_S,
        no_signal_timeout: float | None = None,
    ) -> None:
        super().__init__(signal_timeout, no_signal_timeout)
        self.loop = loop
        self._bell: asyncio.Event | None = None

    def settle(self) -> None:
        """One turn of the loop."""
        self.loop.run_until_complete(asyncio.sleep(0))

    def until(self, condition: Callable[[], bool]) -> bool:
        """Run the loop until it holds, up to the signal time-out."""
        return condition() or self.loop.run_until_complete(self._until(condition, self.signal_timeout))

    def quiet(self) -> None:
        """Run the loop for the no-signal time-out."""
        self.loop.run_until_complete(self._until(lambda: False, self.no_signal_timeout))

    def ring(self) -> None:
        """Wake who waits."""
        bell = self._bell
        if bell is not None:
            self.loop.call_soon_threadsafe(bell.set)

    def elsewhere(self, call: Callable[[], Any]) -> Any:
        """From a task of the loop: what lives on a loop need not be called from another thread."""

        async def run() -> Any:
            return call()

        return self.loop.run_until_complete(run())

    async def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        bell = self._bell = asyncio.Event()
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    bell.clear()
                    await bell.wait()
        except TimeoutError:
            return condition()
        finally:
            self._bell = None
        return True

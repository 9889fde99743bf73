"""ProcessPool: a few processes that call a function; a stream asks them by the stage `ask`.

    pool = ProcessPool("plant.vision:classify", processes=2)
    images.ask(pool, within=30.0).to(...)

Bounded: demand is the room of the processes. Supervised: one that dies fails what it had, is counted, and is started again, later
each time; one that takes too long is killed. Receipts are kept by the stage: an element is stored when its answer is.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import Counter
from collections.abc import Callable
from random import Random, SystemRandom

from rt_edge.data.errors import ConfigError, StreamError, TransientError
from rt_edge.streams.processes.process import Process
from rt_edge.streams.routing.asked import Told

log = logging.getLogger(__name__)

FIRST_S = 0.1
LAST_S = 30.0
"""Bounds of the wait before a process that died is started again."""

PROCESSES_MOST = 64


class ProcessDied(TransientError):
    """The process that worked on the element has ended, or was killed because it took too long."""

    code = "RTE325"


class _Work:
    """A question that a process has."""

    __slots__ = ("cancel_timer", "process", "told")

    def __init__(self, process: Process, told: Told, cancel_timer: Callable[[], None]) -> None:
        self.process = process
        self.told: Told | None = told
        self.cancel_timer = cancel_timer


class ProcessPool:
    """`rt_edge.streams.routing.asked.Asked` over processes; all calls on one asyncio loop.

    Processes are started by the first question. `close` ends them; they end with the process that has the pool in any case.

    Args:
        function: `package.module:name` of a function of one element: a Reading or plain data, in and out. It is imported in the
            processes, so it is theirs alone: no state is shared.
        processes: how many.
        window: elements that a process may have: one that it works on, and those that wait, so that it need not.
        call_timeout: seconds for one element; then its process is killed.
        random: jitter of restarts.

    Attributes:
        counters: `asked`, `answered`, `failed`, `deaths`, `timeouts`.

    Raises:
        ConfigError: bounds that make no sense.
    """

    def __init__(
        self, function: str, processes: int = 2, window: int = 2, call_timeout: float = 60.0, random: Random | None = None
    ) -> None:
        if not (1 <= processes <= PROCESSES_MOST and 1 <= window <= 1024 and call_timeout > 0):
            raise ConfigError(f"processes are 1 to {PROCESSES_MOST}, the window is 1 to 1,024, and a call takes more than 0 s")
        self._function = function
        self._size = processes
        self._window = window
        self._call_timeout = call_timeout
        self._random = random or SystemRandom()
        self._processes: list[Process] = []
        self._failures = 0
        self._restarting = 0
        self._closed = False
        self._work: dict[int, _Work] = {}
        self._numbers = itertools.count(1)
        self._listeners: dict[int, Callable[[], None]] = {}
        self.counters: Counter[str] = Counter()

    # -- Asked ---------------------------------------------------------------------------------------------------------

    def credit(self) -> int:
        """What the processes have room for; those that are to be started count, those that wait for a restart do not."""
        if self._closed:
            return 0
        to_start = self._size - len(self._processes) - self._restarting
        return self._window * (len(self._processes) + to_start) - len(self._work)

    def ask(self, question: object, told: Told) -> Callable[[], None]:
        """Give it to the process that has least."""
        number = next(self._numbers)
        self.counters["asked"] += 1
        process = self._least_busy()
        if process is None:
            told(None, StreamError("the pool is closed, or has no process"))
            return _nothing
        try:
            process.send(number, question)
        except StreamError as error:
            told(None, error)
            return _nothing
        timer = asyncio.get_running_loop().call_later(self._call_timeout, self._late, number)
        work = self._work[number] = _Work(process, told, timer.cancel)
        process.open.add(number)

        def give_up() -> None:
            work.told = None  # the process finishes it all the same, in its time

        return give_up

    def listen(self, changed: Callable[[], None]) -> Callable[[], None]:
        """When a process is done with something, or runs again."""
        number = next(self._numbers)
        self._listeners[number] = changed
        return lambda: self._listeners.pop(number, None) and None

    # -- processes -----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End the processes; what they have fails."""
        self._closed = True
        for process in list(self._processes):
            process.kill()

    def pids(self) -> list[int]:
        """Of the processes that run."""
        return [process.pid for process in self._processes]

    def _least_busy(self) -> Process | None:
        if not self._closed and len(self._processes) + self._restarting < self._size:
            idle = next((process for process in self._processes if not process.open), None)
            return idle or self._start()
        return min(self._processes, key=lambda process: len(process.open), default=None)

    def _start(self) -> Process:
        process = Process(self._function, self._answered, self._died)
        self._processes.append(process)
        return process

    def _answered(self, number: int, element: object, error: str) -> None:
        work = self._work.pop(number, None)
        if work is None:
            return
        self._failures = 0
        work.cancel_timer()
        work.process.open.discard(number)
        self.counters["failed" if error else "answered"] += 1
        if work.told is not None:
            work.told(element, StreamError(error) if error else None)
        self._changed()

    def _late(self, number: int) -> None:
        work = self._work.get(number)
        if work is not None:
            self.counters["timeouts"] += 1
            log.warning("a call of %s took longer than %g s; its process is killed", self._function, self._call_timeout)
            work.process.kill()

    def _died(self, process: Process, reason: str) -> None:
        self._processes.remove(process)
        if not self._closed:
            self.counters["deaths"] += 1
            wait = min(LAST_S, FIRST_S * 2 ** min(self._failures, 20)) * self._random.uniform(0.5, 1.0)
            self._failures += 1
            self._restarting += 1
            log.warning("a process of %s has ended, the next is started in %.1f s: %s", self._function, wait, reason)
            asyncio.get_running_loop().call_later(wait, self._restart)
        for number in list(process.open):
            work = self._work.pop(number)
            work.cancel_timer()
            if work.told is not None:
                work.told(None, ProcessDied(f"the process that worked on it has ended: {reason}"))

    def _restart(self) -> None:
        self._restarting -= 1  # it is started by the next question
        self._changed()

    def _changed(self) -> None:
        for changed in list(self._listeners.values()):
            changed()


def _nothing() -> None:
    """There is nothing to give up."""

"""Whose turn it is: four lanes, the earliest deadline first within each, and no lane waits for ever."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from itertools import count as counter

from adapters.modbus.plan import RANKS
from adapters.modbus.unit import Poll

PATIENCE = 7
"""Requests of other lanes after which a lane that has something to ask is next. With two more lanes that may be owed their turn
as well, every lane gets a tenth of the requests at least."""

PHASES = 20
"""First polls are spread over this many moments of their period: spread enough for the wire, few enough wake-ups when idle."""


class Lane:
    """Polls of one urgency: those that are due, and those that have begun and have more to ask; both by deadline."""

    __slots__ = ("passed", "ready", "running")

    def __init__(self) -> None:
        self.ready: list[tuple[float, int, Poll]] = []
        self.running: list[tuple[float, int, Poll]] = []
        self.passed = 0
        """Requests of other lanes while this one had something to ask."""


class Schedule:
    """All polls of a channel.

    Args:
        polls: what is polled.
    """

    def __init__(self, polls: Iterable[Poll]) -> None:
        self._polls = list(polls)
        self._order = counter()
        self._waiting: list[tuple[float, int, Poll]] = []
        self._lanes = [Lane() for _ in RANKS]

    def start(self, now: float) -> None:
        """Begin anew: spread the first polls over their periods."""
        self._waiting = []
        self._lanes = [Lane() for _ in RANKS]
        periods: dict[float, list[Poll]] = {}
        for poll in self._polls:
            periods.setdefault(poll.every, []).append(poll)
        for every, polls in periods.items():
            for i, poll in enumerate(polls):
                poll.due = now + every * (i * PHASES // len(polls)) / PHASES
                poll.started = False
                self.wait(poll)

    def wait(self, poll: Poll) -> None:
        """It is not due before `poll.due`."""
        heapq.heappush(self._waiting, (poll.due, next(self._order), poll))

    def go_on(self, poll: Poll) -> None:
        """It has begun and has more to ask."""
        heapq.heappush(self._lanes[poll.rank].running, (poll.deadline, next(self._order), poll))

    def stop(self) -> int:
        """Nothing runs any more; how many polls did."""
        stopped = sum(len(lane.running) for lane in self._lanes)
        for lane in self._lanes:
            lane.running = []
        return stopped

    @property
    def runs(self) -> bool:
        """Whether a poll has begun and has more to ask."""
        return any(lane.running for lane in self._lanes)

    def next_due(self) -> float | None:
        """When a poll is or becomes due, if no poll is under way: 0 if one is; None if there is no poll at all."""
        if any(lane.ready for lane in self._lanes):
            return 0.0
        return self._waiting[0][0] if self._waiting else None

    def owed(self, now: float, may_begin: bool) -> bool:
        """Whether a poll has waited for so many requests of commands that it is next."""
        self._move_due(now)
        return any(lane.passed >= PATIENCE and self._has(lane, may_begin) for lane in self._lanes)

    def pick(self, now: float, may_begin: bool) -> Poll | None:
        """The poll that goes on or, if `may_begin`, begins; None: there is none."""
        self._move_due(now)
        able = [lane for lane in self._lanes if self._has(lane, may_begin)]
        if not able:
            return None
        lane = next((lane for lane in able if lane.passed >= PATIENCE), able[0])
        begins = may_begin and lane.ready and not (lane.running and lane.running[0] <= lane.ready[0])
        return heapq.heappop(lane.ready if begins else lane.running)[2]

    def served(self, rank: int, may_begin: bool) -> None:
        """A request of this lane goes out: the others that have something to ask were passed over."""
        for other, lane in enumerate(self._lanes):
            lane.passed = lane.passed + 1 if other != rank and self._has(lane, may_begin) else 0

    @staticmethod
    def _has(lane: Lane, may_begin: bool) -> bool:
        return bool(lane.running or (may_begin and lane.ready))

    def _move_due(self, now: float) -> None:
        while self._waiting and self._waiting[0][0] <= now:
            _, order, poll = heapq.heappop(self._waiting)
            heapq.heappush(self._lanes[poll.rank].ready, (poll.deadline, order, poll))

"""Whose turn it is: four lanes, the earliest deadline first within each, and no lane waits for ever."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from itertools import count as counter

from adapters.modbus.unit import Poll

PATIENCE = 7
"""Requests of other lanes after which a lane that has something to ask is the next one polled; with two more lanes that may be
owed their turn as well, it gets a tenth of the polls at least. Commands wait for it only when so many of them went before it: one
command by itself, or a few, wait for nothing but the running transaction."""

PHASES = 20
"""First polls are spread over this many moments of their period: spread enough for the wire, few enough wake-ups when idle."""


class Lane:
    """Polls of one urgency: those that are due, and those that have begun and have more to ask; both by deadline.

    Args:
        rank: the lower goes first.
    """

    __slots__ = ("commands", "passed", "rank", "ready", "running")

    def __init__(self, rank: int) -> None:
        self.rank = rank
        self.ready: list[tuple[float, int, Poll]] = []
        self.running: list[tuple[float, int, Poll]] = []
        self.passed = 0
        """Requests of other lanes, and of commands, while this one had something to ask."""
        self.commands = 0
        """Those of commands among them."""


class Schedule:
    """All polls of a channel.

    Args:
        polls: what is polled.
    """

    def __init__(self, polls: Iterable[Poll]) -> None:
        self._polls = list(polls)
        self._order = counter()
        self._waiting: list[tuple[float, int, Poll]] = []
        self._lanes = self._new_lanes()

    def _new_lanes(self) -> dict[int, Lane]:
        """Those that are used, by rank."""
        return {rank: Lane(rank) for rank in sorted({poll.rank for poll in self._polls})}

    def start(self, now: float) -> None:
        """Begin anew: spread the first polls over their periods."""
        self._waiting = []
        self._lanes = self._new_lanes()
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
        stopped = sum(len(lane.running) for lane in self._lanes.values())
        for lane in self._lanes.values():
            lane.running = []
        return stopped

    @property
    def runs(self) -> bool:
        """Whether a poll has begun and has more to ask."""
        return any(lane.running for lane in self._lanes.values())

    def next_due(self) -> float | None:
        """When a poll is or becomes due, if no poll is under way: 0 if one is; None if there is no poll at all."""
        if any(lane.ready for lane in self._lanes.values()):
            return 0.0
        return self._waiting[0][0] if self._waiting else None

    def owed(self, now: float, may_begin: bool) -> bool:
        """Whether a poll has waited for so many requests of commands that it is next."""
        self._move_due(now)
        return any(lane.commands >= PATIENCE and (lane.running or (may_begin and lane.ready)) for lane in self._lanes.values())

    def pick(self, now: float, may_begin: bool) -> Poll | None:
        """The poll that goes on or, if `may_begin`, begins; None: there is none."""
        self._move_due(now)
        found: Lane | None = None
        for lane in self._lanes.values():
            if lane.running or (may_begin and lane.ready):
                if lane.passed >= PATIENCE:
                    found = lane
                    break
                if found is None:
                    found = lane
        if found is None:
            return None
        begins = may_begin and found.ready and not (found.running and found.running[0] <= found.ready[0])
        return heapq.heappop(found.ready if begins else found.running)[2]

    def served(self, rank: int, may_begin: bool) -> None:
        """A request of this lane, or of a command, goes out: the others that have something to ask were passed over."""
        of_command = rank not in self._lanes
        for lane in self._lanes.values():
            if lane.rank != rank and (lane.running or (may_begin and lane.ready)):
                lane.passed += 1
                lane.commands += of_command
            else:
                lane.passed = lane.commands = 0

    def _move_due(self, now: float) -> None:
        waiting = self._waiting
        while waiting and waiting[0][0] <= now:
            _, order, poll = heapq.heappop(waiting)
            heapq.heappush(self._lanes[poll.rank].ready, (poll.deadline, order, poll))

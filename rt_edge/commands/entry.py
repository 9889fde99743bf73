"""A command while the desk has it, and whose turn it is."""

from __future__ import annotations

import enum
from collections import deque

from rt_edge.commands.command import Row


class Phase(enum.Enum):
    """Where a command is."""

    WAIT = "waits for its turn"
    OLD = "the old value is being read"
    INTENT = "the intent is being made durable"
    SENT = "the adapter has it"
    BACK = "the point is being read back"
    DOUBT = "was under way when the node was interrupted"
    ENDED = "has ended"


class Entry:
    """One command.

    Attributes:
        row: what is written down of it.
        phase: where it is.
        deadline: monotonic seconds after which it is not sent, or, in doubt, not cleared up any more.
        limit: when the adapter should have answered.
        in_hand: the adapter or the journal has it, and its point is taken.
        durable: it is written down, whatever follows.
        told: whether those who asked know its end, which is written down too.
        forget_at: when its key means nothing any more.
        not_before: in doubt: when its point is read again.
    """

    __slots__ = ("deadline", "durable", "forget_at", "in_hand", "limit", "not_before", "phase", "row", "told")

    def __init__(self, row: Row, deadline: float) -> None:
        self.row = row
        self.phase = Phase.WAIT
        self.deadline = deadline
        self.limit = 0.0
        self.in_hand = False
        self.durable = False
        self.told = False
        self.forget_at = 0.0
        self.not_before = 0.0

    @property
    def point(self) -> str:
        """Where it goes."""
        return self.row.command.point

    def over_at(self) -> float:
        """When its time is over, if nothing happens."""
        return self.limit if self.phase in (Phase.SENT, Phase.BACK) else self.deadline

    def next_time(self, now: float) -> float:
        """When something is to be done about it, if nothing happens."""
        over = self.over_at()
        return min(over, self.not_before) if self.not_before > now else over


class Turns:
    """Whose turn it is: the commands to each point in order of arrival, the points by priority.

    Args:
        at_once: commands under way, at most.
        bound: commands to one point, at most.

    Attributes:
        busy: commands under way.
    """

    def __init__(self, at_once: int, bound: int) -> None:
        self._at_once, self._bound = at_once, bound
        self._queues: dict[str, deque[Entry]] = {}
        self._taken: set[str] = set()

    @property
    def busy(self) -> int:
        """Commands under way."""
        return len(self._taken)

    def add(self, entry: Entry) -> None:
        """Behind all others to its point."""
        self._queues.setdefault(entry.point, deque(maxlen=self._bound)).append(entry)

    def next(self, now: float) -> Entry | None:
        """The one to begin: the first of its point; those of points where one with priority waits come first, then by arrival."""
        if len(self._taken) >= self._at_once:
            return None
        free = [queue for point, queue in self._queues.items() if point not in self._taken and now >= queue[0].not_before]
        return min(free, key=_rank)[0] if free else None

    def begin(self, entry: Entry) -> None:
        """It is under way: its point is taken."""
        self._taken.add(entry.point)
        entry.in_hand = True

    def hand_back(self, entry: Entry) -> None:
        """It stays the first of its point, and is begun again."""
        self._taken.discard(entry.point)
        entry.in_hand = False

    def leave(self, entry: Entry) -> None:
        """It has ended, and the next of its point may follow."""
        queue = self._queues[entry.point]
        if queue[0] is entry:
            self._taken.discard(entry.point)
        queue.remove(entry)
        if not queue:
            del self._queues[entry.point]
        entry.in_hand = False


def _rank(queue: deque[Entry]) -> tuple[bool, int]:
    return not any(entry.row.command.priority for entry in queue), queue[0].row.number

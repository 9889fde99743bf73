"""What waits to be sent to local actors: at most one unconfirmed transmit a target, the rest here, bounded (design 6).

Thespian has 20 slots for all targets together and stops reading above 950 queued sends. With one transmit a target in its
hands, a target that does not read costs one slot, and its messages wait in this process's own queue for it alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from rt_edge.actors.transport.addresses import Key
from rt_edge.data.errors import BufferOverflow

DEFAULT_LIMIT = 256
"""Messages that may wait for one target."""


class _Lane:
    __slots__ = ("busy", "pumping", "waiting")

    def __init__(self, limit: int) -> None:
        self.waiting: deque[Any] = deque(maxlen=limit)
        self.busy = False
        self.pumping = False


class LocalOutbox:
    """Queues by target.

    Args:
        transmit: starts one transmit; `completed` or `failed` has to be called for it later, or during the call.
        limit: messages that may wait for one target, beside the one that is under way.
    """

    def __init__(self, transmit: Callable[[Key, Any], None], limit: int = DEFAULT_LIMIT) -> None:
        self._transmit = transmit
        self._limit = limit
        self._lanes: dict[Key, _Lane] = {}

    def put(self, target: Key, item: object) -> None:
        """Transmit now, or as soon as what was put before for this target is confirmed.

        Raises:
            BufferOverflow: as many as the limit wait for this target already; nothing was taken.
        """
        lane = self._lanes.get(target)
        if lane is None:
            lane = self._lanes[target] = _Lane(self._limit)
        elif len(lane.waiting) >= self._limit:
            raise BufferOverflow(f"{self._limit} messages wait for {target} already", "the target does not read")
        lane.waiting.append(item)
        self._pump(target, lane)

    def completed(self, target: Key) -> None:
        """The transmit to this target has ended, well or not; the next one goes out."""
        lane = self._lanes.get(target)
        if lane is None:
            return
        lane.busy = False
        self._pump(target, lane)

    def abandon(self, target: Key) -> int:
        """The target is gone: forget what waits for it.

        Returns:
            How many messages were forgotten.
        """
        lane = self._lanes.get(target)
        if lane is None:
            return 0
        lost = len(lane.waiting)
        lane.waiting.clear()
        return lost

    def _pump(self, target: Key, lane: _Lane) -> None:
        if lane.pumping:  # a transmit that ended during its own call: the loop below goes on, so the stack does not grow
            return
        lane.pumping = True
        try:
            while lane.waiting and not lane.busy:
                lane.busy = True
                self._transmit(target, lane.waiting.popleft())
        finally:
            lane.pumping = False
        if not lane.waiting and not lane.busy:
            self._lanes.pop(target, None)

    def waiting(self) -> int:
        """Messages that wait, over all targets, without those under way."""
        return sum(len(lane.waiting) for lane in self._lanes.values())

    def in_flight(self) -> int:
        """Unconfirmed transmits: at most one a target."""
        return sum(lane.busy for lane in self._lanes.values())

"""What we publish within the broker's Receive Maximum (MQTT 5, 4.9), in the order in which it was asked for. No I/O."""

from __future__ import annotations

import asyncio
from collections import deque

from rt_edge.sdk import TransientError

MOST_WAITING = 65_535
"""Messages that may wait for room; who publishes awaits each answer, and stays far below."""


class Outflow:
    """Messages in flight, and those that wait for room. One per connection.

    A message of QoS 0 needs no room, yet it waits behind those that do: it may use a topic alias that one of them defines.

    Attributes:
        most: the broker's Receive Maximum.
    """

    def __init__(self) -> None:
        self.most = 65_535
        self._in_flight: set[int] = set()
        self._waiting: deque[tuple[int, bytes, asyncio.Future[None]]] = deque(maxlen=MOST_WAITING)

    def __len__(self) -> int:
        return len(self._in_flight)

    def sending(self, mid: int, out: bytearray, at: int) -> asyncio.Future[None] | None:
        """A packet was put at the end of `out`: it stays there, or is taken back until there is room.

        Args:
            mid: its packet identifier, 0 at QoS 0.
            out: what is sent next.
            at: where in `out` it begins.

        Returns:
            What is done once it is in `out`, or None when it is.

        Raises:
            TransientError: too many wait already.
        """
        if self._waiting or (mid and len(self._in_flight) >= self.most):
            if len(self._waiting) >= MOST_WAITING:
                del out[at:]
                raise TransientError(f"{MOST_WAITING} messages wait for the broker's acknowledgements already")
            held: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((mid, bytes(out[at:]), held))
            del out[at:]
            return held
        if mid:
            self._in_flight.add(mid)
        return None

    def answered(self, mid: int, out: bytearray) -> None:
        """The broker is done with a packet identifier: what may go now is put into `out`."""
        self._in_flight.discard(mid)
        waiting = self._waiting
        while waiting and not (waiting[0][0] and len(self._in_flight) >= self.most):
            mid, data, held = waiting.popleft()
            if mid:
                self._in_flight.add(mid)
            out += data
            if not held.done():
                held.set_result(None)

    def end(self) -> None:
        """The connection is over: who waits looks again."""
        while self._waiting:
            held = self._waiting.popleft()[2]
            if not held.done():
                held.set_result(None)

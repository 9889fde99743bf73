"""The bounded inbox: what has arrived and nobody has asked for yet.

QoS 1 and 2 messages are never dropped: a full inbox stops the reading of the socket, so that TCP holds the broker back (brokers
that break Receive Maximum exist: mosquitto 2.0.11; and v3.1.1 has none). QoS 0 cannot be held back: beyond the bound it is
dropped, by the strategy the settings name.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

import msgspec

from adapters.mqtt.seam import BATCH, Message

Strategy = Literal["drop_oldest", "drop_newest"]


class Waiting(msgspec.Struct, gc=False):
    """A message in the inbox.

    Attributes:
        arrival: number of its arrival, over the life of the inbox.
        received: wall time of its arrival, ns.
        message: the message.
        at: monotonic time of its arrival, seconds.
        orphan: its session is gone at the broker: it cannot be acknowledged and will not come again.
        size: bytes it counts for.
    """

    arrival: int
    received: int
    message: Message
    at: float = 0.0
    orphan: bool = False
    size: int = 0


class Inbox:
    """Messages in order of arrival, within two bounds.

    Args:
        most: messages it may hold; one batch more for those of QoS 1 and 2, since a batch is taken whole.
        most_bytes: bytes of topics and payloads it may hold, overshot by at most one batch.
        strategy: which QoS 0 message goes when there is no room.

    Attributes:
        dropped: QoS 0 messages dropped so far.
        dropped_copies: those among them that came because of a SUBSCRIBE.
        keep_copies: the latter are not dropped: a full inbox stops reading for them too.
    """

    def __init__(self, most: int, most_bytes: int, strategy: Strategy) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._strategy = strategy
        self._held: deque[Waiting] = deque(maxlen=most + BATCH)
        self._loose: deque[Waiting] = deque(maxlen=most + BATCH)
        self._arrivals = 0
        self._held_bytes = 0
        self._loose_bytes = 0
        self.dropped = 0
        self.dropped_copies = 0
        self.keep_copies = False

    def __len__(self) -> int:
        return len(self._held) + len(self._loose)

    @property
    def arrivals(self) -> int:
        """Messages that ever arrived."""
        return self._arrivals

    @property
    def bytes(self) -> int:
        """Bytes held, with about 100 for each message."""
        return self._held_bytes + self._loose_bytes

    @property
    def full(self) -> bool:
        """Whether reading has to stop, because of messages that may not be dropped."""
        return len(self._held) >= self._most or self._held_bytes >= self._most_bytes

    @property
    def roomy(self) -> bool:
        """Whether reading may go on after it stopped: half of each bound is free."""
        return len(self._held) * 2 <= self._most and self._held_bytes * 2 <= self._most_bytes

    def add(self, message: Message, received: int, at: float = 0.0) -> None:
        """Take a message in, or drop one of QoS 0 (counted in `dropped`)."""
        self._arrivals += 1
        size = len(message.topic) + len(message.payload or b"") + len(message.properties) + 100
        waiting = Waiting(self._arrivals, received, message, at, False, size)
        if message.qos or (message.retain and self.keep_copies):
            self._held.append(waiting)
            self._held_bytes += size
            return
        while len(self) >= self._most or self.bytes + size > self._most_bytes:
            gone = waiting if self._strategy == "drop_newest" or not self._loose else self._loose.popleft()
            self.dropped += 1
            self.dropped_copies += gone.message.retain
            if gone is waiting:
                return
            self._loose_bytes -= gone.size
        self._loose.append(waiting)
        self._loose_bytes += size

    def pop(self) -> Waiting | None:
        """The one that arrived first, or None."""
        held, loose = self._held, self._loose
        if not held and not loose:
            return None
        if held and (not loose or held[0].arrival < loose[0].arrival):
            waiting = held.popleft()
            self._held_bytes -= waiting.size
        else:
            waiting = loose.popleft()
            self._loose_bytes -= waiting.size
        return waiting

    def forget_held(self) -> None:
        """The broker will send what was not acknowledged again: drop our copies."""
        kept = [waiting for waiting in self._held if not waiting.message.qos]
        self._held.clear()
        self._held.extend(kept)
        self._held_bytes = sum(waiting.size for waiting in kept)

    def orphan_held(self) -> None:
        """The broker has forgotten the session: what is here is all there is."""
        for waiting in self._held:
            waiting.orphan = True

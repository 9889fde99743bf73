"""One client's side of an MQTT connection without I/O: packets of the broker in, events and bytes to send out.

Knows packet identifiers, QoS 0 to 2 in both directions, and which acknowledgements the broker has (`pings.py`). PUBLISH that
comes in does not pass here: the reader gives messages on in batches, and what acknowledges them is `wire.encode_acks`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from adapters.mqtt import wire
from adapters.mqtt.framing import FramingError
from adapters.mqtt.pings import Pings
from adapters.mqtt.reasons import connect_error, disconnect_error, v5_code
from adapters.mqtt.seam import Connect, Subscription
from adapters.mqtt.wire import Ack, Bare, Connack
from rt_edge.sdk import TransientError

IDENTIFIERS = 65_535


class Pong(msgspec.Struct, frozen=True):
    """PINGRESP: the broker has all acknowledgements up to the call `acknowledge(..., through)`."""

    through: int


Event = Connack | Ack | Pong


class Exchange:
    """One connection.

    Args:
        options: how to connect.
        address: of the broker, for errors.

    Attributes:
        out: bytes to be sent; whoever sends them clears it.
        connected: a CONNACK that accepts has come.
        strays: answers to nothing that we asked; harmless, counted.
    """

    def __init__(self, options: Connect, address: str) -> None:
        self._options = options
        self._v5 = options.version == 5
        self._address = address
        self._awaited: dict[int, int] = {}
        self._mid = 0
        self._used = 0
        self._resumed = False
        self._pings = Pings()
        self.out = bytearray()
        self.connected = False
        self.strays = 0

    # -- from us to the broker -------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """CONNECT."""
        self.out += wire.encode_connect(self._options)

    def subscribe(self, wanted: Sequence[Subscription], identifier: int) -> int:
        """SUBSCRIBE; returns its packet identifier."""
        mid = self._take(wire.SUBACK)
        self.out += wire.encode_subscribe(mid, wanted, self._v5, identifier)
        return mid

    def unsubscribe(self, filters: Sequence[str]) -> int:
        """UNSUBSCRIBE; returns its packet identifier."""
        mid = self._take(wire.UNSUBACK)
        self.out += wire.encode_unsubscribe(mid, filters, self._v5)
        return mid

    def publish(self, topic: str, payload: bytes, qos: int, retain: bool, properties: bytes = b"") -> int:
        """PUBLISH; returns its packet identifier, 0 at QoS 0."""
        mid = 0
        if qos:
            mid = self._take(wire.PUBACK if qos == 1 else wire.PUBREC)
            fresh, self._used = mid > self._used, max(mid, self._used)
            if qos == 2 and fresh and self._resumed:
                # the session may hold this identifier from a connection before, half done: the broker would take the message
                # for its copy and drop it. A PUBREL frees it (4.3.3); for one that it does not know it only says so.
                self.out += wire.encode_release(mid)
        self.out += wire.encode_publish(topic, payload, qos, retain, mid, properties if self._v5 else None)
        return mid

    def acknowledge(self, received: Sequence[tuple[int, int]], through: int) -> bool:
        """PUBACK or PUBREC for (identifier, QoS); returns whether a PINGREQ should follow within a second."""
        if received:
            self.out += wire.encode_acks(received)
        return self._pings.acknowledged(through)

    def ping(self) -> bool:
        """PINGREQ; False: too many are unanswered."""
        if not self._pings.room:
            return False
        self._pings.sent()
        self.out += wire.PING
        return True

    # -- from the broker to us -------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> Event | None:
        """A whole packet that is not a PUBLISH.

        Raises:
            FramingError: malformed, or not a packet for a client.
            RtEdgeError: the broker refuses the connection, or ends it.
        """
        packet = wire.decode(data, self._v5)
        if isinstance(packet, Connack):
            return self._connack(packet)
        if packet.kind == wire.DISCONNECT and isinstance(packet, Bare):
            raise disconnect_error(packet.code, self._address)
        if not self.connected:
            raise FramingError(f"a {wire.NAMES[packet.kind]} before the CONNACK")
        return self._pong() if isinstance(packet, Bare) else self._answered(packet)

    def _connack(self, connack: Connack) -> Event:
        if self.connected:
            raise FramingError("a second CONNACK")
        if connack.code:
            raise connect_error(v5_code(connack.code, self._options.version), self._address)
        self.connected = True
        self._resumed = connack.session_present
        return connack

    def _pong(self) -> Event | None:
        through = self._pings.answered()
        if through is None:
            self.strays += 1
            return None
        return Pong(through)

    def _answered(self, ack: Ack) -> Event | None:
        kind, mid = ack.kind, ack.mid
        if kind == wire.PUBREL:  # the message was handed on before its PUBREC: nothing is left to do but to answer
            self.out += wire.encode_complete(mid)
            return None
        if kind == wire.PUBREC and ack.codes[0] < 0x80:
            # also for one that is not ours: the broker waits for its PUBREL (4.3.3)
            if self._awaited.get(mid) == wire.PUBREC:
                self._awaited[mid] = wire.PUBCOMP
            self.out += wire.encode_release(mid)
            return None
        if kind == wire.PUBCOMP:
            ack = Ack(kind, mid, [0])  # it took the message with its PUBREC; 0x92 here only says that it is done with it already
        if self._awaited.get(mid) != kind:
            self.strays += 1
            return None
        del self._awaited[mid]
        return ack

    def _take(self, answer: int) -> int:
        """A packet identifier that is not in use (2.2.1)."""
        awaited, mid = self._awaited, self._mid
        if len(awaited) >= IDENTIFIERS:
            raise TransientError(f"{self._address} has left all {IDENTIFIERS} packet identifiers unanswered")
        while True:
            mid = mid % IDENTIFIERS + 1
            if mid not in awaited:
                break
        self._mid = mid
        awaited[mid] = answer
        return mid

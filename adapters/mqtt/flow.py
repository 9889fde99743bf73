"""The way of a message: inbox, codec, demand, receipt, acknowledgement; over the connections of one adapter."""

from __future__ import annotations

import asyncio
from typing import Any

from adapters.mqtt.acks import AckWindow, ForgetGate
from adapters.mqtt.answering import Replies
from adapters.mqtt.control import Control
from adapters.mqtt.decoder import Decoded, Decoder
from adapters.mqtt.inbox import Inbox
from adapters.mqtt.options import keyed, window_of
from adapters.mqtt.retaining import Retained
from adapters.mqtt.seam import Message, Transport
from rt_edge.sdk import AdapterContext, Reading

UNACKNOWLEDGED = 65_535
"""Messages handed on and not acknowledged: there are no more packet identifiers."""
TURN = 512
"""Most messages decoded in one turn of the loop."""


class Flow:
    """What has come and where it is; what was asked for and not handed on is carried over to the next connection.

    Args:
        settings: an `MqttSettings`, or an object with its attributes.
        context: the runtime.

    Attributes:
        inbox: what has come and nobody has asked for.
        decoder: what makes Readings of it.
        retained: the states that were handed on.
        control: looks at each message first; None: there are no points.
        session_present: whether the broker had our session when this connection began.
    """

    def __init__(self, settings: Any, context: AdapterContext) -> None:
        self._context = context
        # one more than a broker may send that keeps to the window: reading stops only for one that does not
        self._window = window_of(settings)
        self.inbox = Inbox(max(settings.inbox.messages, self._window + 1), settings.inbox.bytes, settings.inbox.qos0)
        self.retained = Retained(settings, context)
        self.decoder = Decoder(settings, context, keyed(settings), self.retained, self._say)
        self.control: Control | None = None
        self.session_present = False
        self._transport: Transport | None = None
        self._replies: Replies | None = None
        self._acks = AckWindow(0, UNACKNOWLEDGED)
        self._gate = ForgetGate(session_present=False)
        self._flowing = False
        self._demand = 0
        self._emitted = 0
        self._settled = 0
        self._rest: Decoded | None = None
        self._pump_due = False
        self._held_back = False

    def connecting(self, transport: Transport) -> None:
        """A new connection, whose messages may come from now on."""
        self._transport = transport
        self._replies = Replies(transport, self._context, UNACKNOWLEDGED)

    def connected(self, session_present: bool) -> None:
        """The broker has said whether it has our session; before its first message."""
        self.session_present = session_present
        if session_present:
            # what was not acknowledged comes again, whole: our copies would only come twice
            self.inbox.forget_held()
            if self._rest is not None and self._rest.qos and not self._rest.orphaned:
                self.retained.forget(self._rest.state)
                self._rest = None
        else:
            self.inbox.orphan_held()
            if self._rest is not None:
                self._rest.orphan()
        self._acks = AckWindow(self._acks.through, UNACKNOWLEDGED, self.inbox.arrivals)
        self._gate = ForgetGate(session_present)
        self.retained.connected(session_present)

    def start(self) -> None:
        """Everything is subscribed: hand on."""
        self._flowing = True
        self.inbox.keep_copies = True  # not before: a broker may send them ahead of its SUBACK, which would not be read then
        self._pump_soon()

    def stop(self) -> bool:
        """Hand nothing on; returns whether it was started."""
        flowing, self._flowing = self._flowing, False
        self.inbox.keep_copies = False
        return flowing

    def closed(self) -> None:
        """The connection is gone."""
        self._transport = None
        self._held_back = False
        if self._replies is not None:
            self._replies.close()
            self._replies = None

    def _say(self, topic: str, payload: bytes) -> None:
        """From the decoder: something to publish at QoS 0 now."""
        if self._replies is not None:
            self._replies.say((topic, payload, b""))

    def take(self, messages: list[Message]) -> bool:
        """Take messages in, hand on what is asked for; False when the inbox is full."""
        inbox = self.inbox
        received = self._context.clock.wall_ns()
        at = self._context.clock.monotonic()
        control = self.control
        dropped, copies = inbox.dropped, inbox.dropped_copies
        for message in messages:
            if control is not None and control.takes(message):
                continue
            if message.dup:
                self._gate.saw_dup()
            inbox.add(message, received, at)
        if inbox.dropped > dropped:
            self._context.count("dropped_inbox_full", inbox.dropped - dropped)
            if inbox.dropped_copies > copies:
                self.retained.lost_copies()
        if self.retained.catching_up:
            self.retained.waiting(len(self._acks) + len(inbox))
        if self._demand > 0 and self._flowing:
            self._pump()
        if inbox.full:
            if not self._held_back:
                self._held_back = True
                self._context.count("held_back")
            return False
        return True

    def demand(self, n: int) -> None:
        """So many more Readings may be handed on."""
        self._demand += n
        self._pump_soon()

    def _pump_soon(self) -> None:
        if self._flowing and not self._pump_due and self._demand > 0 and (self._rest is not None or len(self.inbox)):
            self._pump_due = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        """Decode and hand on as much as is asked for, within one turn of work."""
        self._pump_due = False
        if not self._flowing:
            return
        readings: list[Reading] = []
        keys: list[bytes] = []
        again: list[bool] = []
        for _ in range(TURN):
            if len(readings) >= self._demand or self._acks.full:
                break
            decoded = self._rest
            if decoded is None:
                waiting = self.inbox.pop()
                if waiting is None:
                    break
                decoded = self.decoder.decode(waiting, self.session_present, self._emitted + len(readings))
            whole = decoded.take(self._demand - len(readings), readings, keys, again)
            self._rest = None if whole else decoded
            if whole:
                if decoded.reply is not None and self._replies is not None:
                    self._replies.add(self._emitted + len(readings), decoded.reply)
                self._acks.add(self._emitted + len(readings), decoded.mid, decoded.qos, decoded.arrival)
        self._demand -= len(readings)
        self._emitted += len(readings)
        if readings:
            self.retained.handing_on()
            self._context.emit(readings, keys, again)
        if self._acks:
            self._acknowledge()
        if self._held_back and self.inbox.roomy and self._transport is not None:
            self._held_back = False
            self._transport.resume()
        self._ask_again()
        self._pump_soon()

    def _ask_again(self) -> None:
        if self.retained.due and self._flowing and not len(self.inbox):
            self.retained.ask()

    def settled(self, through: int) -> None:
        """The first `through` Readings that were ever handed on are settled."""
        self._settled = self.retained.settled = through
        if self._flowing:
            self._acknowledge()

    def _acknowledge(self) -> None:
        if self._replies is not None:
            self._replies.settled(self._settled)
        before = self._acks.through
        ready = self._acks.settled(self._settled)
        if self._transport is not None and (ready or self._acks.through > before):
            self._transport.acknowledge(ready, self._acks.through)
            self._pump_soon()

    def acknowledged(self, through: int) -> None:
        """The broker is known to have our acknowledgements."""
        if self._gate.answered(self.inbox.arrivals, self._acks, through):
            self._context.forget(through)
        self.retained.answered(len(self._acks) + len(self.inbox), self._window)
        self._ask_again()

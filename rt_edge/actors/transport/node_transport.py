"""Thespian's TCP transport, made safe for a node: the one subclass (design 8)."""

from __future__ import annotations

import logging
import os
import socket
from collections import Counter
from typing import Any, ClassVar

from thespian.actors import ActorAddress
from thespian.system.transport import ReceiveEnvelope, SendStatus, TransmitIntent
from thespian.system.transport.TCPTransport import (
    ExternalTransportCopy,
    TCPEndpoint,
    TCPIncomingPersistent,
    TCPTransport,
)

from rt_edge.actors.transport.addresses import LinkDetails
from rt_edge.actors.transport.entry import LoopEntry
from rt_edge.actors.transport.hub import Hub
from rt_edge.actors.transport.lifeline import Lifeline, die_with_parent
from rt_edge.actors.transport.messages import Frame
from rt_edge.actors.transport.peer_user import may_talk, peer_user
from rt_edge.actors.transport.serializer import MAX_LOCAL_MESSAGE
from rt_edge.data.clock import Clock, SystemClock

_log = logging.getLogger("rt_edge.actors.transport")
_LOGGER_INSTANCE = -1


class NodeTransport(TCPTransport):  # type: ignore[misc]
    """The transport of every process of a node. Children get the class by themselves, by fork.

    Attributes:
        current: the transport of this process, in an actor's process, where there is one.
        newest: the transport that was made last, in any process.
        lifeline: set by the main process before it starts the system.
        clock: time for the links.
        direct: whether islands may reach each other beside this transport (`rt_edge.actors.island.neighbours`).
        counters: `refused_user`, `oversized`, `bad_input`, `bad_ack`, `accept_failed`: what was refused or failed on loopback.
    """

    current: ClassVar[NodeTransport | None] = None
    newest: ClassVar[NodeTransport | None] = None
    lifeline: ClassVar[Lifeline | None] = None
    clock: ClassVar[Clock] = SystemClock()
    direct: ClassVar[bool] = True
    _forker: ClassVar[int] = 0

    def __init__(self, init_type: Any, *args: Any) -> None:
        role = self._role(init_type)
        if role in ("actor", "logger"):
            die_with_parent(NodeTransport._forker)
        NodeTransport._forker = os.getpid()
        super().__init__(init_type, *args)
        self.counters: Counter[str] = Counter()
        self._hub: Hub | None = None
        self._entries: list[LoopEntry] = []
        NodeTransport.newest = self
        if role != "outside":
            NodeTransport.current = self
        lifeline = NodeTransport.lifeline
        if role == "outside" or lifeline is None:
            return
        if role == "admin":
            lifeline.in_child()
            self.add_entry(lifeline.watch())
        lifeline.announce(role)

    @staticmethod
    def _role(init_type: Any) -> str:
        if not isinstance(init_type, TCPEndpoint):
            return "outside"
        if init_type.addrInst is None:
            return "admin"
        return "logger" if init_type.addrInst == _LOGGER_INSTANCE else "actor"

    def external_transport_clone(self) -> NodeTransport:
        """A second endpoint for an outside process, of the same class."""
        return type(self)(ExternalTransportCopy(), self._adminAddr, self.txOnly, False)

    def close(self) -> None:
        """Close everything. Thespian's version leaves its listener and the idle connections to the garbage collector."""
        intents = getattr(self, "_transmitIntents", {}).values()
        left = [getattr(self, "socket", None), *(getattr(intent, "socket", None) for intent in intents)]
        left += [idle.socket for idle in getattr(self, "_openSockets", {}).values()]
        super().close()
        self._openSockets: dict[Any, Any] = {}
        for sock in left:
            if sock is not None:
                sock.close()

    # -- our descriptors in Thespian's loop ----------------------------------------------------------------------------

    def add_entry(self, entry: LoopEntry) -> None:
        """Watch a descriptor of ours in the select loop."""
        self._incomingSockets[entry.fileno()] = entry
        self._entries.append(entry)

    def deliver(self, sender: ActorAddress, message: object) -> None:
        """Hand `message` to this process's actor, as if it had come from `sender`, after what is being handled now."""
        self._incomingEnvelopes.append(ReceiveEnvelope(sender, message))

    @property
    def hub(self) -> Hub:
        """The links of this process; made at the first use."""
        if self._hub is None:
            self._hub = Hub(self.deliver, self.clock)
            self.add_entry(self._hub)
        return self._hub

    def _handlePossibleIncoming(
        self,
        incomingSocket: Any,  # noqa: N803 - Thespian's name
        fileno: int,
        closed: bool = False,
        has_exclusive_flag: bool = False,
    ) -> Any:
        if isinstance(incomingSocket, LoopEntry):
            if fileno == incomingSocket.fileno():
                incomingSocket.ready()
            incomingSocket.tick()
            return incomingSocket
        if fileno != -1 and not 0 <= incomingSocket.remainingSize() <= MAX_LOCAL_MESSAGE:
            self.counters["oversized"] += 1
            _log.warning("closed a loopback connection that announced a message of %d bytes", incomingSocket.remainingSize())
            incomingSocket.close()
            return None
        try:
            return super()._handlePossibleIncoming(incomingSocket, fileno, closed, has_exclusive_flag)
        except Exception:  # noqa: BLE001 - what leaves here ends the actor, or the admin and with it the node
            self.counters["bad_input"] += 1
            _log.exception("serving a loopback connection failed")
            incomingSocket.close()
            return None

    def childResetFileNumList(self) -> list[int]:
        """Descriptors that a forked child must close: else a session that this process closed would stay open."""
        links = self._hub.filenos() if self._hub is not None else []
        return [*super().childResetFileNumList(), *links]

    # -- loopback ------------------------------------------------------------------------------------------------------

    def _acceptNewIncoming(self) -> None:
        """Accept one loopback connection, if its other end belongs to this user.

        Thespian's own version answers a failed accept (a peer that has gone already is enough) with an object that ends the
        actor: it has no sender, and `handleMessages` raises.
        """
        try:
            connection, _ = self.new_socket(self.socket.accept)
        except OSError as error:
            self.counters["accept_failed"] += 1
            _log.warning("accepting a loopback connection failed: %s", error)
            self._check_indicators()
            return
        self._check_indicators()
        user = peer_user(connection)
        if not may_talk(user):
            connection.close()
            if user is not None:  # None: closed already, as the connections by which Thespian wakes itself are
                self.counters["refused_user"] += 1
                _log.warning("refused a loopback connection of user %d", user)
            return
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._incomingSockets[connection.fileno()] = TCPIncomingPersistent(ActorAddress(None), connection)

    def _check_XMIT_4_done(self, intent: TransmitIntent, rcv: bytes) -> Any:
        """Thespian forgets an intent whose acknowledgement cannot be read, and with it a slot; here it fails."""
        try:
            return super()._check_XMIT_4_done(intent, rcv)
        except Exception as error:  # noqa: BLE001 - whatever the peer sent: the intent must end
            self.counters["bad_ack"] += 1
            _log.warning("the acknowledgement of %s cannot be read: %s", intent.targetAddr, error)
            return self._finishIntent(intent, SendStatus.BadPacket)

    # -- links ---------------------------------------------------------------------------------------------------------

    def send_frame(self, link: LinkDetails, frame: Frame) -> bool:
        """Put a frame into a link's buffer.

        Returns:
            False: there is no such link (any more), or this frame did not fit and the link has been closed for it; a
            `LinkDown` is on its way. Nothing is dropped without one of these two.
        """
        return self._hub is not None and self._hub.send(link, frame)

    def serializer(self, intent: TransmitIntent) -> Any:
        """Bytes of an intent for Thespian's wire; for a link only a `Frame` will do, and its bytes are made there."""
        if not isinstance(intent.targetAddr.addressDetails, LinkDetails):
            return super().serializer(intent)
        if not isinstance(intent.message, Frame):
            raise TypeError(f"only a Frame goes over a link, not {type(intent.message).__name__}")
        return intent.message

    def _scheduleTransmitActual(self, intent: TransmitIntent, has_exclusive_flag: bool = False) -> None:
        details = intent.targetAddr.addressDetails
        if not isinstance(details, LinkDetails):
            super()._scheduleTransmitActual(intent, has_exclusive_flag)
            return
        # Failed, not DeadTarget, which would send the message to the admin; and at once: a slot is never held
        intent.tx_done(SendStatus.Sent if self.send_frame(details, intent.serMsg) else SendStatus.Failed)

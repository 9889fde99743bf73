"""One link: a non-blocking socket, its channel, its frames, its bounds and deadlines."""

from __future__ import annotations

import os
import select
import socket
import ssl
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from rt_edge.actors.transport.channel import Channel
from rt_edge.actors.transport.framing import Decoder, encode_frame, encode_preface
from rt_edge.actors.transport.identity import Admission, Identity, identity_of, parse_identity
from rt_edge.actors.transport.messages import Frame, LinkLimits
from rt_edge.data.clock import Clock
from rt_edge.data.errors import CodecError, RefusedError

if TYPE_CHECKING:
    from rt_edge.actors.transport.addresses import LinkDetails

IN, OUT = select.EPOLLIN, select.EPOLLOUT
_SOCKET_LEVEL = socket.IPPROTO_TCP


NOT_ADMITTED = "closed by the peer before it said who it is: it does not admit this node, its log says why"


class State(Enum):
    """The life of a link."""

    CONNECTING = "connecting"
    SECURING = "securing"
    GREETING = "greeting"
    UP = "up"
    CLOSED = "closed"


class Owner(Protocol):
    """What a link asks of its hub."""

    clock: Clock

    def wait_for(self, link: Link, mask: int) -> None:
        """Wake the link for these events."""
        ...

    def went_up(self, link: Link) -> None:
        """The peer is known and admitted."""
        ...

    def received(self, link: Link, frame: Frame) -> None:
        """A frame for the actor."""
        ...

    def went_down(self, link: Link, reason: str, was: State, lost: bool) -> None:
        """The socket is closed."""
        ...

    def note_deadline(self, deadline: float) -> None:
        """The link wants a tick then."""
        ...


class Link:
    """A connection to one peer; all calls from the thread of the transport.

    Args:
        owner: the hub.
        sock: connected, or connecting (`connecting`).
        channel: TLS or plain.
        limits: bounds.
        admission: whom to accept at the other end.
        claim: who we say we are; empty under TLS.
        number: connection number.
        dialled: whether this side dialled.

    Attributes:
        peer: who is at the other end; None before it is proved.
        details: its session address; set by the hub.
        bytes_in: how many came in, as on the socket.
    """

    def __init__(
        self,
        owner: Owner,
        sock: socket.socket,
        channel: Channel,
        limits: LinkLimits,
        admission: Admission,
        claim: str,
        number: int,
        dialled: bool = False,
    ) -> None:
        self._owner, self._sock, self._channel, self._limits = owner, sock, channel, limits
        self._admission, self._claim = admission, claim
        self._decoder = Decoder(limits.max_frame)
        self._out = bytearray()
        self._kinds: frozenset[str] | None = frozenset()
        self.number = number
        self.dialled = dialled
        self.state = State.CONNECTING
        self.peer: Identity | None = None
        self.details: LinkDetails | None = None
        self.bytes_in = 0
        self._moved = owner.clock.monotonic()
        self._deadline: float | None = self._moved + limits.handshake
        self._mask = 0
        _tune(sock, limits)
        owner.note_deadline(self._moved + limits.handshake)

    @property
    def host(self) -> str:
        """Address of the other end, without the port; empty where it is not known any more."""
        try:
            return str(self._sock.getpeername()[0])
        except OSError:
            return ""

    def fileno(self) -> int:
        """Of the socket."""
        return self._sock.fileno()

    def connecting(self) -> None:
        """Wait for the connection to be made."""
        self._want(OUT)

    def connected(self) -> None:
        """The socket is connected: secure it."""
        self.state = State.SECURING
        try:
            self._channel.start()
        except ssl.SSLError as error:
            self.close(_tls(error))
            return
        self._progress()
        self._flush()

    # -- events --------------------------------------------------------------------------------------------------------

    def event(self, events: int) -> None:
        """The socket is ready."""
        if self.state is State.CONNECTING:
            code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                self.close(os.strerror(code))
            else:
                self.connected()
            return
        if events & OUT:
            self._flush()
        if events & ~OUT and self.state is not State.CLOSED:
            self._read()

    def _read(self) -> None:
        try:
            data = self._sock.recv(self._limits.read_budget)
        except BlockingIOError:
            return
        except OSError as error:
            self.close(error.strerror or str(error))
            return
        if not data:
            self.close("closed by the peer" if self.state is State.UP else NOT_ADMITTED)
            return
        self.bytes_in += len(data)
        try:
            plain = self._channel.receive(data)
            self._progress()
            self._take(plain)
        except ssl.SSLError as error:
            self._out += self._channel.outgoing()  # the alert that tells the peer why
            self._try_send()
            self.close(_tls(error))
            return
        except (CodecError, RefusedError) as error:
            self.close(str(error))
            return
        self._flush()

    def _progress(self) -> None:
        """Once the channel is secure, say who we are."""
        if self.state is State.SECURING and self._channel.secure:
            self.state = State.GREETING
            certificate = self._channel.certificate()
            if not self._claim:
                self._admit(identity_of(certificate))
            self._channel.write(encode_preface(self._claim))

    def _admit(self, peer: Identity) -> None:
        self._kinds = self._admission.check(peer)
        self.peer = peer

    def _take(self, plain: bytes) -> None:
        if not plain or self.state not in (State.GREETING, State.UP):
            return
        frames = self._decoder.feed(plain)
        if self.state is State.GREETING and self._decoder.claim is not None:
            self._greeted(self._decoder.claim)
        for frame in frames:
            if self._kinds is not None and frame.kind not in self._kinds:
                raise RefusedError(f"{self.peer} may not send {frame.kind!r}")
            self._owner.received(self, frame)

    def _greeted(self, claim: str) -> None:
        if self._claim:
            self._admit(parse_identity(claim))
        elif claim:
            raise RefusedError("the peer claims a name beside its certificate")
        self.state = State.UP
        self._deadline = None
        self._owner.went_up(self)

    # -- sending -------------------------------------------------------------------------------------------------------

    def put(self, frame: Frame) -> bool:
        """Take a frame into the buffer and send what the socket takes.

        Returns:
            False: it did not fit, and the link is closed for it; or it is not up.

        Raises:
            ValueError: the frame cannot be encoded, or is larger than a frame may be.
        """
        if self.state is not State.UP:
            return False
        data = encode_frame(frame)
        if len(data) > self._limits.max_frame:
            raise ValueError(f"{frame} is larger than a frame may be: {self._limits.max_frame} bytes")
        if len(self._out) + len(data) > self._limits.max_buffered:
            self.close(f"window exceeded: {len(self._out)} bytes wait for a peer that does not read")
            return False
        try:
            self._channel.write(data)
        except ssl.SSLError as error:
            self.close(_tls(error))
            return False
        self._flush()
        return True

    def buffered(self) -> int:
        """Bytes that wait for the socket."""
        return len(self._out)

    def _flush(self) -> None:
        if self.state is State.CLOSED:
            return
        made = self._channel.outgoing()
        if made:
            if not self._out:
                self._moved = self._owner.clock.monotonic()
            self._out += made
        error = self._try_send()
        if error:
            self.close(error)
            return
        if self.state is State.UP:
            if not self._out:
                self._deadline = None
            elif self._deadline is None:
                self._deadline = self._moved + self._limits.stall
                self._owner.note_deadline(self._deadline)
        self._want(IN | OUT if self._out else IN)

    def _try_send(self) -> str:
        """Hand bytes to the socket; returns what went wrong."""
        out = self._out
        try:
            while out:
                sent = self._sock.send(out)
                del out[:sent]
                self._moved = self._owner.clock.monotonic()
        except BlockingIOError:
            pass  # the kernel's buffer is full; the rest goes when it has room
        except OSError as error:
            return error.strerror or str(error)
        return ""

    def _want(self, mask: int) -> None:
        if mask != self._mask:
            self._mask = mask
            self._owner.wait_for(self, mask)

    # -- end -----------------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> float | None:
        """Act on what is overdue; returns when to be called again."""
        if self.state is State.CLOSED or self._deadline is None:
            return None
        if self.state is State.UP and self._out:
            self._deadline = self._moved + self._limits.stall  # it may have moved since the deadline was set
        if now >= self._deadline:
            if self.state is State.UP:
                self.close(f"the peer did not read for {self._limits.stall:g} s")
            else:
                self.close(f"not up within {self._limits.handshake:g} s ({self.state.value})")
            return None
        return self._deadline

    def close(self, reason: str) -> None:
        """Close the socket and tell the hub why; what waits to be sent is lost."""
        if self.state is State.CLOSED:
            return
        was, self.state = self.state, State.CLOSED
        lost = bool(self._out)
        self._out.clear()
        self._owner.went_down(self, reason, was, lost)
        self._sock.close()


def _tls(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: the peer's certificate is refused: {error.verify_message}"
    reason = str(error.reason or error)
    alert = reason.partition("_ALERT_")[2]
    return f"TLS: the peer refuses this node's certificate: {_ALERTS[alert]}" if alert in _ALERTS else f"TLS: {reason}"


_ALERTS = {
    "BAD_CERTIFICATE": "it does not work there, or not yet (look at its dates, at both clocks, and into the peer's log)",
    "CERTIFICATE_EXPIRED": "it has expired (or a clock is wrong)",
    "UNKNOWN_CA": "another CA signed it",
    "UNSUPPORTED_CERTIFICATE": "it is not for this use (extendedKeyUsage wants clientAuth and serverAuth)",
    "CERTIFICATE_REQUIRED": "it got none",
}
"""Alert of the peer (RFC 8446, 6.2), as OpenSSL names it -> what that means here."""


def _tune(sock: socket.socket, limits: LinkLimits) -> None:
    sock.setblocking(False)
    idle, interval, count = limits.keepalive
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_NODELAY, 1),
        (socket.TCP_KEEPIDLE, idle),
        (socket.TCP_KEEPINTVL, interval),
        (socket.TCP_KEEPCNT, count),
        (socket.TCP_USER_TIMEOUT, int(limits.user_timeout * 1000)),
    ):
        sock.setsockopt(_SOCKET_LEVEL, option, value)

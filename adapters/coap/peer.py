"""A connected UDP socket under aiocoap's message layer: the kernel drops what comes from anybody but the host it belongs to.

aiocoap's own client socket takes datagrams from anywhere; it would answer requests, and remember each for four minutes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from aiocoap import error, interfaces
from aiocoap.message import Message
from aiocoap.messagemanager import MessageManager
from aiocoap.numbers.codes import Code

from adapters.coap.seam import Answer, Unanswered

LOG = "rt_edge.aiocoap"
"""aiocoap's own log: what happens to an exchange is said once, by us."""
logging.getLogger(LOG).setLevel(logging.CRITICAL)


class Peer(asyncio.DatagramProtocol, interfaces.EndpointAddress):  # type: ignore[misc]  # untyped
    """The connected socket, and the address of its other end in aiocoap's words."""

    scheme = "coap"
    is_multicast = False
    is_multicast_locally = False
    hostinfo = hostinfo_local = uri_base = uri_base_local = ""

    def __init__(self, name: str) -> None:
        self.hostinfo, self.uri_base = name, f"coap://{name}"
        self.heard = 0
        self.manager: MessageManager | None = None
        self.on_life: Callable[[Exception | None], None] | None = None
        self._transport: asyncio.DatagramTransport | None = None

    @property
    def blockwise_key(self) -> str:
        """Blocks of one host belong together."""
        return self.hostinfo

    async def secure(self, within: float) -> None:
        """Make it secure, within so many seconds: nothing to do here.

        Raises:
            Unanswered: refused, or nothing came.
        """
        del within

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """From asyncio."""
        self._transport = transport  # type: ignore[assignment]  # of a datagram endpoint

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """From asyncio; requests of the other end are not looked at."""
        if self.manager is None:
            return
        try:
            message = Message.decode(data, remote=self)
        except (error.UnparsableMessage, ValueError, AssertionError):  # the latter from options: not UTF-8, too long
            return
        self.heard += 1
        if self.on_life is not None:
            self.on_life(None)
        if message.code.is_request():  # we are no server; aiocoap would answer, and remember each for four minutes
            return
        self.manager.dispatch_message(message)

    def error_received(self, exc: Exception) -> None:
        """From asyncio: what an ICMP message said."""
        if self.on_life is not None:
            self.on_life(exc)
        if self.manager is not None:
            self.manager.dispatch_error(exc, self)

    def send(self, data: bytes) -> None:
        """One datagram."""
        if self._transport is not None:
            self._transport.sendto(data)

    def close(self) -> None:
        """Let the socket go."""
        if self._transport is not None:
            self._transport.abort()
        self.manager = self._transport = None


class PeerInterface(interfaces.MessageInterface):  # type: ignore[misc]  # untyped
    """What aiocoap sends through."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def send(self, message: Message) -> None:
        """From aiocoap."""
        self._peer.send(message.encode())

    async def determine_remote(self, message: Message) -> Peer:
        """There is one."""
        return self._peer

    async def recognize_remote(self, remote: object) -> bool:
        """Whether it is that one."""
        return remote is self._peer

    async def shutdown(self) -> None:
        """From aiocoap."""
        self._peer.close()


def settle(future: asyncio.Future[Message], event: Any) -> None:
    """A pipe's event as the result of `future`."""
    if event.message is not None:
        future.set_result(event.message)
    else:
        future.set_exception(Unanswered(words_of(event.exception) if event.exception else "the exchange was ended", False))


def answer_of(message: Message, payload: bytes) -> Answer:
    """A message with its whole payload as an Answer."""
    options = message.opt
    form = options.content_format
    max_age = 60 if options.max_age is None else options.max_age
    etag = b"" if options.etag is None else bytes(options.etag)
    form = None if form is None else int(form)
    return Answer(code_of(message), bytes(payload), form, float(max_age), options.observe, etag=etag)


def code_of(message: Message) -> str:
    """`2.05`."""
    code: Code = message.code
    return f"{code >> 5}.{code & 31:02}"


def words_of(problem: BaseException) -> str:
    """What an error of the network or of aiocoap says to a person."""
    cause = problem.__cause__ if isinstance(problem, error.NetworkError) and problem.__cause__ is not None else problem
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror.lower()
    if isinstance(cause, error.ConRetransmitsExceeded):
        return "no answer to any retransmission"
    return str(cause) or type(cause).__name__

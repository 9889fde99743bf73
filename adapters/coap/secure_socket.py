"""The server's end of DTLS: one socket, a session for each client that has shown its key, both in number and in time bounded."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from aiocoap import error, interfaces
from aiocoap.message import Message
from aiocoap.messagemanager import MessageManager

from adapters.coap.dtls import DtlsError, Listener, Session, is_client_hello, is_first_flight

MAX_SESSIONS = 1024
"""Clients at a time; beyond, the one that has been silent longest has to shake hands anew. About 50 kB each."""
MAX_HANDSHAKES = 64
"""Handshakes under way at a time; beyond, the oldest one is given up."""
HANDSHAKE_S = 30.0
"""Longest handshake."""


class Remote(interfaces.EndpointAddress):  # type: ignore[misc]  # untyped
    """A client, in aiocoap's words; another one after each handshake."""

    scheme = "coaps"
    is_multicast = is_multicast_locally = False
    hostinfo = hostinfo_local = uri_base = uri_base_local = ""

    def __init__(self, address: Any, session: Session, began: float) -> None:
        self.address, self.session, self.began = address, session, began
        self.timer: asyncio.TimerHandle | None = None
        self.hostinfo = f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"
        self.uri_base = f"coaps://{self.hostinfo}"

    @property
    def blockwise_key(self) -> Any:
        """Blocks of one session belong together."""
        return id(self)

    @property
    def identity(self) -> str:
        """Whose key it has shown."""
        return self.session.identity

    def disarm(self) -> None:
        """Its flight is not sent again."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class SecureSocket(asyncio.DatagramProtocol, interfaces.MessageInterface):  # type: ignore[misc]  # untyped
    """See the module.

    Args:
        key_of: the key of an identity; None: nobody knows it.
        now: monotonic seconds.
        on_bad: told of a datagram that could not be read, and of handshakes that failed.
    """

    def __init__(
        self, key_of: Callable[[str], bytes | None], now: Callable[[], float], on_bad: Callable[[Exception], None]
    ) -> None:
        self.manager: MessageManager | None = None
        self.on_bad = on_bad
        self.transport: asyncio.DatagramTransport | None = None
        self._listener = Listener(key_of)
        self._now = now
        self._sessions: OrderedDict[Any, Remote] = OrderedDict()
        self._pending: OrderedDict[Any, Remote] = OrderedDict()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """From asyncio."""
        self.transport = transport  # type: ignore[assignment]  # of a datagram endpoint

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """From asyncio."""
        remote = self._pending.get(addr)
        if is_client_hello(data) and (remote is None or is_first_flight(data)):
            self._hello(data, addr)  # what is established stays until the key was shown (RFC 6347, 4.2.8)
            return
        if remote is None:
            remote = self._sessions.get(addr)
        if remote is not None:
            self._session(remote, data)

    def error_received(self, exc: Exception) -> None:
        """From asyncio: an unconnected socket is not told whose it is."""

    def send(self, message: Message) -> None:
        """From aiocoap."""
        remote = message.remote
        try:
            remote.session.send(message.encode())
        except DtlsError:
            return  # its session is gone: it repeats, or comes with a new one
        self._flush(remote)

    async def determine_remote(self, message: Message) -> None:
        """We begin nothing."""
        return

    async def recognize_remote(self, remote: object) -> bool:
        """Whether it is one of ours."""
        return isinstance(remote, Remote)

    async def shutdown(self) -> None:
        """From aiocoap."""
        for remote in self._sessions.values():
            remote.session.close()
            self._flush(remote)
        for remote in self._pending.values():
            remote.disarm()
        self._sessions.clear()
        self._pending.clear()
        if self.transport is not None:
            self.transport.abort()
        self.manager = self.transport = None

    def _hello(self, data: bytes, addr: Any) -> None:
        out, session = self._listener.hello(data, f"{addr[0]}|{addr[1]}")
        for datagram in out:
            self._send(datagram, addr)
        if session is None:
            return
        self._give_up(addr)
        if len(self._pending) >= MAX_HANDSHAKES:
            self._give_up(next(iter(self._pending)))
        remote = self._pending[addr] = Remote(addr, session, self._now())
        self._session(remote, b"")

    def _give_up(self, addr: Any) -> None:
        remote = self._pending.pop(addr, None)
        if remote is not None:
            remote.disarm()

    def _arm(self, remote: Remote) -> None:
        remote.disarm()
        wait = remote.session.wait()
        if wait is not None and self._pending.get(remote.address) is remote:
            remote.timer = asyncio.get_running_loop().call_later(wait, self._expired, remote)

    def _expired(self, remote: Remote) -> None:
        remote.timer = None
        try:
            if self._now() - remote.began > HANDSHAKE_S:
                raise DtlsError("the handshake was not finished in time")
            remote.session.expired()
        except DtlsError as problem:
            self._give_up(remote.address)
            self.on_bad(problem)
            return
        self._flush(remote)
        self._arm(remote)

    def _session(self, remote: Remote, data: bytes) -> None:
        addr = remote.address
        try:
            messages = self._listener.handshake(remote.session, data)
        except DtlsError as problem:
            self._flush(remote)
            remote.disarm()
            for table in (self._pending, self._sessions):
                if table.get(addr) is remote:
                    del table[addr]
            if not remote.session.ready:
                self.on_bad(problem)
            elif self.manager is not None:
                self.manager.dispatch_error(error.NetworkError(str(problem)), remote)
            return
        self._flush(remote)
        self._arm(remote)
        if remote.session.ready:
            if self._pending.get(addr) is remote:
                del self._pending[addr]
            self._sessions[addr] = remote
            self._sessions.move_to_end(addr)
            if len(self._sessions) > MAX_SESSIONS:
                self._sessions.popitem(last=False)
        for message in messages:
            self._dispatch(message, remote)

    def _dispatch(self, data: bytes, remote: Remote) -> None:
        try:
            message = Message.decode(data, remote=remote)
            if self.manager is not None:
                self.manager.dispatch_message(message)
        except Exception as problem:  # noqa: BLE001  # whatever a datagram does to the decoder is counted and said by on_bad
            self.on_bad(problem)

    def _flush(self, remote: Remote) -> None:
        for datagram in remote.session.outgoing():
            self._send(datagram, remote.address)

    def _send(self, datagram: bytes, addr: Any) -> None:
        if self.transport is not None:
            self.transport.sendto(datagram, addr)


async def listen(
    host: str,
    port: int,
    key_of: Callable[[str], bytes | None],
    manager: MessageManager,
    now: Callable[[], float],
    on_bad: Callable[[Exception], None],
) -> tuple[SecureSocket, int]:
    """A socket that listens, and its port.

    Raises:
        OSError: the address is not ours, or in use.
        FatalAdapterError: there is no DTLS here.
    """
    transport, secure = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: SecureSocket(key_of, now, on_bad), local_addr=(host, port)
    )
    secure.manager = manager
    return secure, int(transport.get_extra_info("sockname")[1])

"""The client's end of DTLS: a `Peer` whose datagrams go through a session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from adapters.coap.dtls import ClientSession, DtlsError
from adapters.coap.peer import Peer
from adapters.coap.seam import Security, Unanswered
from rt_edge.sdk import FatalAdapterError


def secure_peer(name: str, security: Security) -> Callable[[], Peer]:
    """Makes the peer for a socket.

    Raises:
        Unanswered: there is no DTLS here.
    """
    try:
        session = ClientSession(security.identity, security.key)
    except FatalAdapterError as problem:
        raise Unanswered(problem.message, False) from None
    return lambda: SecurePeer(name, session)


class SecurePeer(Peer):
    """See `Peer`.

    Args:
        name: of the host, for people.
        session: its DTLS.
    """

    def __init__(self, name: str, session: ClientSession) -> None:
        super().__init__(name)
        self._session = session
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: asyncio.Future[None] | None = None

    async def secure(self, within: float) -> None:
        """The handshake, within so many seconds.

        Raises:
            Unanswered: refused, or nothing came.
        """
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(within):
                self._go_on(b"")
                await self._waiting
        except TimeoutError:
            # a server answers a wrong key with silence (RFC 6347, 4.1.2.7: what does not verify is discarded)
            raise Unanswered(f"no DTLS within {within:g} s: nobody there, or another identity or key", False) from None
        finally:
            self._waiting = None
            self._stop_timer()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """From asyncio."""
        for message in self._go_on(data):
            super().datagram_received(message, addr)

    def error_received(self, exc: Exception) -> None:
        """From asyncio: what an ICMP message said."""
        self._refuse(Unanswered(str(exc) if not isinstance(exc, OSError) else (exc.strerror or "unreachable").lower(), False))
        super().error_received(exc)

    def send(self, data: bytes) -> None:
        """One message."""
        try:
            self._session.send(data)
        except DtlsError as error:
            super().error_received(OSError(0, f"DTLS: {error}"))
        self._flush()

    def close(self) -> None:
        """Say goodbye and let the socket go."""
        self._stop_timer()
        self._session.close()
        self._flush()
        super().close()

    def _go_on(self, data: bytes) -> list[bytes]:
        """Take a datagram, or none at the beginning; the messages in it."""
        messages: list[bytes] = []
        try:
            if data:
                messages = self._session.receive(data)
            else:
                self._session.handshake()
        except DtlsError as error:
            self._flush()
            if not self._refuse(Unanswered(f"DTLS: {error}", False)):
                super().error_received(OSError(0, f"DTLS: {error}"))
            return []
        self._flush()
        if self._waiting is not None and self._session.ready and not self._waiting.done():
            self._waiting.set_result(None)
        self._arm()
        return messages

    def _refuse(self, problem: Unanswered) -> bool:
        """Whether somebody waits for the handshake, who is told."""
        if self._waiting is None or self._waiting.done():
            return False
        self._waiting.set_exception(problem)
        return True

    def _arm(self) -> None:
        self._stop_timer()
        wait = self._session.wait()
        if wait is not None:
            self._timer = asyncio.get_running_loop().call_later(wait, self._expired)

    def _expired(self) -> None:
        self._timer = None
        try:
            self._session.expired()
        except DtlsError as error:
            self._refuse(Unanswered(f"DTLS: {error}", False))
            return
        self._flush()
        self._arm()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _flush(self) -> None:
        for datagram in self._session.outgoing():
            super().send(datagram)

"""The secure layer of a link without its socket: bytes in, bytes out (sans-IO)."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any, Protocol

_READ = 1 << 18


class Channel(Protocol):
    """What stands between the socket and the frames."""

    secure: bool
    """Whether the handshake is done."""

    def start(self) -> None:
        """Begin; may make bytes to send."""
        ...

    def receive(self, data: bytes) -> bytes:
        """Take bytes from the socket; returns what they mean to the frames (empty during the handshake).

        Raises:
            ssl.SSLError: the peer is not who it must be, or the bytes are not TLS.
        """
        ...

    def write(self, data: bytes) -> None:
        """Take bytes to send."""
        ...

    def outgoing(self) -> bytes:
        """Bytes for the socket, made since the last call."""
        ...

    def certificate(self) -> Mapping[str, Any] | None:
        """The peer's verified certificate; None when there is none."""
        ...


class TlsChannel:
    """TLS 1.3 on two memory buffers."""

    def __init__(self, context: ssl.SSLContext, server: bool) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=server)
        self.secure = False

    def start(self) -> None:
        """Send the client's hello; a server waits for it."""
        self._handshake()

    def _handshake(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return
        self.secure = True

    def receive(self, data: bytes) -> bytes:
        """Decrypt."""
        self._in.write(data)
        if not self.secure:
            self._handshake()
            if not self.secure:
                return b""
        parts: list[bytes] = []
        try:
            while part := self._tls.read(_READ):
                parts.append(part)
        except ssl.SSLWantReadError:
            pass  # all that has come is decrypted
        return b"".join(parts)

    def write(self, data: bytes) -> None:
        """Encrypt."""
        self._tls.write(data)

    def outgoing(self) -> bytes:
        """Encrypted bytes."""
        return self._out.read()

    def certificate(self) -> Mapping[str, Any] | None:
        """The peer's certificate."""
        return self._tls.getpeercert()


class PlainChannel:
    """No security: loopback only."""

    secure = True

    def __init__(self) -> None:
        self._out = bytearray()

    def start(self) -> None:
        """Nothing to do."""

    def receive(self, data: bytes) -> bytes:
        """As it came."""
        return data

    def write(self, data: bytes) -> None:
        """As it is."""
        self._out += data

    def outgoing(self) -> bytes:
        """As it was written."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def certificate(self) -> Mapping[str, Any] | None:
        """There is none."""
        return None

"""DTLS 1.2 with pre-shared keys (RFC 7252, 9.1.3.1), without I/O: datagrams in, datagrams and messages out.

OpenSSL does the work (`openssl.py`) between two memory BIOs. A server's first answer to a stranger is a cookie and keeps nothing
(RFC 6347, 4.2.1).
"""

from __future__ import annotations

import ctypes
import hmac
import secrets
from collections.abc import Callable
from typing import Any

from adapters.coap import openssl
from rt_edge.sdk import FatalAdapterError

CIPHERS = (
    b"ECDHE-PSK-CHACHA20-POLY1305:PSK-AES128-CCM:PSK-AES128-GCM-SHA256:PSK-AES256-GCM-SHA384:PSK-CHACHA20-POLY1305:"
    b"PSK-AES128-CCM8@SECLEVEL=0"  # level 0: the tag of CCM8, which RFC 7252 makes mandatory, has 64 bits
)
MTU = 1232
"""Bytes of a datagram of the handshake: fits into 1280, which every IPv6 path takes."""
HEADER = 13
"""Bytes of a record's header: type, version, epoch, number, length."""
HANDSHAKE, CLIENT_HELLO = 22, 1


class DtlsError(Exception):
    """The session is over: refused, broken, or closed by the other side."""


def is_client_hello(datagram: bytes) -> bool:
    """Whether somebody begins a new session: a ClientHello in epoch 0."""
    return len(datagram) > HEADER and datagram[0] == HANDSHAKE and datagram[3:5] == b"\0\0" and datagram[HEADER] == CLIENT_HELLO


def is_first_flight(datagram: bytes) -> bool:
    """Whether a ClientHello is the first message of its handshake, before the cookie."""
    return datagram[HEADER + 4 : HEADER + 6] == b"\0\0"


def records(stream: bytes) -> list[bytes]:
    """What OpenSSL wrote in one go, a record each: a datagram each."""
    found, at = [], 0
    while at + HEADER <= len(stream):
        end = at + HEADER + int.from_bytes(stream[at + 11 : at + 13], "big")
        found.append(stream[at:end])
        at = end
    return found


class _Context:
    """An SSL_CTX, and the callbacks that it holds pointers to."""

    def __init__(self) -> None:
        try:
            self.lib = openssl.library()
        except OSError as error:
            raise FatalAdapterError(f"there is no DTLS here: {error}", openssl.INSTALL) from None
        lib = self.lib
        self.pointer = lib.SSL_CTX_new(lib.DTLS_method())
        self.callbacks: list[Any] = []
        if not self.pointer or not lib.SSL_CTX_set_cipher_list(self.pointer, CIPHERS):
            raise FatalAdapterError(f"DTLS with pre-shared keys is not there: {openssl.first_error()}", openssl.INSTALL)
        lib.SSL_CTX_ctrl(self.pointer, openssl.CTRL_MIN_VERSION, openssl.DTLS1_2, None)
        lib.SSL_CTX_ctrl(self.pointer, openssl.CTRL_SESSION_CACHE, 0, None)
        options = openssl.OP_NO_QUERY_MTU | openssl.OP_NO_TICKET | openssl.OP_NO_RENEGOTIATION
        lib.SSL_CTX_set_options(self.pointer, options)

    def __del__(self) -> None:
        if getattr(self, "pointer", None):
            self.lib.SSL_CTX_free(self.pointer)
            self.pointer = None


class Session:
    """One session, of either side. After `DtlsError` it is of no use but for `outgoing`, which may hold a last word.

    Attributes:
        ready: the handshake is done.
        over: closed or failed.
        identity: of the other side, when it is a client and has said it.
    """

    def __init__(self, context: _Context) -> None:
        self.ready = self.over = False
        self.identity = ""
        self._context = context
        lib = self._lib = context.lib
        self._ssl = lib.SSL_new(context.pointer)
        self._in, self._out = lib.BIO_new(lib.BIO_s_mem()), lib.BIO_new(lib.BIO_s_mem())
        for bio in (self._in, self._out):  # empty is not the end
            lib.BIO_ctrl(bio, openssl.BIO_EOF_RETURN, -1, None)
        lib.SSL_set_bio(self._ssl, self._in, self._out)  # which owns them now
        lib.SSL_ctrl(self._ssl, openssl.CTRL_SET_MTU, MTU, None)

    def __del__(self) -> None:
        if getattr(self, "_ssl", None):
            self._lib.SSL_free(self._ssl)
            self._ssl = None

    @property
    def handle(self) -> int:
        """Its SSL*, as callbacks see it."""
        return int(self._ssl)

    def handshake(self) -> None:
        """Go on with it, as far as what came allows.

        Raises:
            DtlsError: it failed.
        """
        if not self.ready and self._judge(self._lib.SSL_do_handshake(self._ssl)):
            self.ready = True

    def receive(self, datagram: bytes) -> list[bytes]:
        """The messages in a datagram; none while the handshake goes on.

        Raises:
            DtlsError: the session is over.
        """
        if self.over:
            raise DtlsError("the session is over")
        self._feed(datagram)
        self.handshake()
        found: list[bytes] = []
        buffer = ctypes.create_string_buffer(max(len(datagram), 1))  # no message is longer than what it came in
        while self.ready:
            self._lib.ERR_clear_error()
            n = self._lib.SSL_read(self._ssl, buffer, len(buffer))
            if not self._judge(n):
                break
            found.append(buffer.raw[:n])
        return found

    def send(self, message: bytes) -> None:
        """Encrypt a message.

        Raises:
            DtlsError: there is no session, or not yet.
        """
        if not self.ready or self.over:
            raise DtlsError("there is no session")
        self._lib.ERR_clear_error()
        self._judge(self._lib.SSL_write(self._ssl, message, len(message)))

    def outgoing(self) -> list[bytes]:
        """Datagrams to be sent now."""
        waiting = self._lib.BIO_ctrl(self._out, openssl.BIO_PENDING, 0, None)
        if waiting <= 0:
            return []
        buffer = ctypes.create_string_buffer(waiting)
        n = self._lib.BIO_read(self._out, buffer, waiting)
        return records(buffer.raw[: max(n, 0)])

    def wait(self) -> float | None:
        """Seconds until `expired` is to be called; None: not at all."""
        timeval = (ctypes.c_long * 2)()
        if self.ready or self.over or self._lib.SSL_ctrl(self._ssl, openssl.CTRL_GET_TIMEOUT, 0, timeval) <= 0:
            return None
        return float(timeval[0] + timeval[1] / 1e6)

    def expired(self) -> None:
        """Send the flight again (RFC 6347, 4.2.4).

        Raises:
            DtlsError: it was tried often enough.
        """
        if self._lib.SSL_ctrl(self._ssl, openssl.CTRL_HANDLE_TIMEOUT, 0, None) < 0:
            self._fail(openssl.first_error() or "no answer")

    def close(self) -> None:
        """Say so; what is to be sent is in `outgoing`."""
        if self.ready and not self.over:
            self._lib.SSL_shutdown(self._ssl)
        self.over = True
        self._lib.ERR_clear_error()

    def _feed(self, datagram: bytes) -> None:
        self._lib.ERR_clear_error()
        if datagram:
            self._lib.BIO_write(self._in, datagram, len(datagram))

    def _judge(self, result: int) -> bool:
        """Whether a call did its work; False: it waits for a datagram."""
        if result > 0:
            return True
        reason = self._lib.SSL_get_error(self._ssl, result)
        if reason == openssl.WANT_READ:
            self._lib.ERR_clear_error()
            return False
        self._fail("the other side closed the session" if reason == openssl.ZERO_RETURN else openssl.first_error())
        return False

    def _fail(self, why: str) -> None:
        self.over = True
        raise DtlsError(why or "the handshake was broken off")


class ClientSession(Session):
    """To a server.

    Args:
        identity: whom it is to take us for.
        key: the shared key.
    """

    def __init__(self, identity: str, key: bytes) -> None:
        context = _Context()
        name = identity.encode() + b"\0"

        def psk(_ssl: int, _hint: bytes, into: Any, most: int, key_into: Any, key_most: int) -> int:
            if len(name) > most or len(key) > key_most:
                return 0
            ctypes.memmove(into, name, len(name))
            ctypes.memmove(key_into, key, len(key))
            return len(key)

        context.callbacks.append(openssl.PskClient(psk))
        context.lib.SSL_CTX_set_psk_client_callback(context.pointer, context.callbacks[0])
        super().__init__(context)
        self._lib.SSL_set_connect_state(self._ssl)


class Listener:
    """Begins sessions of clients.

    Args:
        key_of: the key of an identity; None: nobody knows it.
    """

    def __init__(self, key_of: Callable[[str], bytes | None]) -> None:
        self._context = _Context()
        self._key_of = key_of
        self._secret = secrets.token_bytes(32)
        self._address = b""
        self._identities: dict[int, str] = {}
        lib, pointer = self._context.lib, self._context.pointer
        psk, make, check = openssl.PskServer(self._psk), openssl.CookieMake(self._make), openssl.CookieCheck(self._check)
        self._context.callbacks += [psk, make, check]
        lib.SSL_CTX_set_psk_server_callback(pointer, psk)
        lib.SSL_CTX_set_cookie_generate_cb(pointer, make)
        lib.SSL_CTX_set_cookie_verify_cb(pointer, check)
        self._spare = self._waiting()

    def _waiting(self) -> Session:
        session = Session(self._context)
        self._context.lib.SSL_set_accept_state(session.handle)
        return session

    def hello(self, datagram: bytes, address: str) -> tuple[list[bytes], Session | None]:
        """A ClientHello came: what to send, and the session if the sender has shown that it is there."""
        session, lib = self._spare, self._context.lib
        self._address = address.encode()
        session._feed(datagram)  # noqa: SLF001  # of this module
        peer = lib.BIO_ADDR_new()
        try:
            listened = lib.DTLSv1_listen(session.handle, peer)
        finally:
            lib.BIO_ADDR_free(peer)
        lib.ERR_clear_error()
        out = session.outgoing()
        if listened <= 0:
            if listened < 0:
                self._spare = self._waiting()
            return out, None
        self._spare = self._waiting()
        session._feed(datagram)  # noqa: SLF001  # a memory BIO cannot be peeked into: listening has taken it
        return out, session

    def handshake(self, session: Session, datagram: bytes) -> list[bytes]:
        """A datagram for a session of ours: its messages; says who it is when the handshake is done.

        Raises:
            DtlsError: the session is over.
        """
        try:
            return session.receive(datagram)
        finally:
            name = self._identities.pop(session.handle, "")
            session.identity = session.identity or name

    def _psk(self, ssl: int, identity: bytes, into: Any, most: int) -> int:
        name = identity.decode(errors="replace") if identity else ""
        key = self._key_of(name)
        if key is None or len(key) > most:
            return 0
        self._identities[ssl] = name
        ctypes.memmove(into, key, len(key))
        return len(key)

    def _cookie(self) -> bytes:
        return hmac.digest(self._secret, self._address, "sha256")

    def _make(self, _ssl: int, into: Any, size: Any) -> int:
        cookie = self._cookie()
        ctypes.memmove(into, cookie, len(cookie))
        size[0] = len(cookie)
        return 1

    def _check(self, _ssl: int, given: Any, size: int) -> int:
        return int(hmac.compare_digest(ctypes.string_at(given, size), self._cookie()))

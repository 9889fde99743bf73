"""Opening the socket without blocking the loop: name lookup, TCP, TLS handshake. The result is non-blocking."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

from adapters.mqtt.readiness import ready
from rt_edge.sdk import FatalAdapterError, TransientError


def tls_context(settings: Any) -> ssl.SSLContext:
    """The context for `tls:` settings; TLS 1.2 is the least.

    Raises:
        FatalAdapterError: a file that is not there or does not hold what it should.
    """
    what = "ca"
    try:
        context = ssl.create_default_context(cafile=None if settings.ca is None else str(settings.ca))
        context.minimum_version = ssl.TLSVersion.TLSv1_3 if settings.min_version == "1.3" else ssl.TLSVersion.TLSv1_2
        what = "certificate"
        if settings.certificate is not None:
            key = str(settings.key) if settings.key is not None else None
            context.load_cert_chain(str(settings.certificate), key, password=lambda: b"")
    except (OSError, ssl.SSLError) as error:
        path = Path(settings.ca if what == "ca" else settings.certificate)
        raise FatalAdapterError(f"tls.{what}: {path}: {error.strerror or error}", "name a PEM file that can be read") from None
    return context


async def dial(host: str, port: int, tls: ssl.SSLContext | None, patience: float) -> socket.socket:
    """A connected socket; addresses are tried in the order of the lookup, each step within `patience` seconds.

    Raises:
        TransientError: not there, or the TLS handshake failed (a certificate can be renewed at the other side).
    """
    loop = asyncio.get_running_loop()
    address = f"{host}:{port}"
    try:
        async with asyncio.timeout(patience):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:  # also TimeoutError
        raise TransientError(f"the name {host} cannot be looked up: {error.strerror or 'no answer'}") from None
    last: OSError | None = None
    for family, kind, protocol, _, target in found[:8]:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            async with asyncio.timeout(patience):
                await loop.sock_connect(sock, target)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock if tls is None else await _handshake(sock, tls, host, patience)
        except OSError as error:
            sock.close()
            last = error
            if isinstance(error, ssl.SSLError):
                break
        except BaseException:
            sock.close()
            raise
    if isinstance(last, ssl.SSLCertVerificationError):
        hint = "check tls.ca and the host name in the certificate"
        raise TransientError(f"{address}: certificate not accepted: {last.verify_message}", hint)
    if isinstance(last, ssl.SSLError):
        raise TransientError(f"{address}: TLS handshake failed: {last.reason or last}", "check that the port speaks TLS")
    if isinstance(last, TimeoutError):
        raise TransientError(f"{address} did not answer within {patience:g} s")
    if isinstance(last, ConnectionRefusedError):
        raise TransientError(f"{address} cannot be reached: connection refused", "is a broker there, and is this its port?")
    if isinstance(last, ConnectionResetError) and tls is not None:
        raise TransientError(f"{address} cannot be reached: closed in the TLS handshake", "check that the port speaks TLS")
    raise TransientError(f"{address} cannot be reached: {last.strerror if last and last.strerror else last}")


async def drained(sock: Any) -> None:
    """Our side is closed for writing, and the other has closed its own. A socket closed with bytes in it that nobody has read
    is reset, and what was sent last (acknowledgements, DISCONNECT) may be lost with it (RFC 9293, 3.6.1)."""
    if not isinstance(sock, socket.socket):
        return  # a websocket says goodbye by itself
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def discard() -> None:
        try:
            while data := sock.recv(65_536):
                del data
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except OSError:
            pass  # reset: that is an end, too
        if not ended.done():
            ended.set_result(None)

    try:
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        return  # gone already
    loop.add_reader(sock, discard)
    try:
        await ended
    finally:
        loop.remove_reader(sock)


async def _handshake(sock: socket.socket, tls: ssl.SSLContext, host: str, patience: float) -> ssl.SSLSocket:
    """TLS over a connected socket, driven by readiness of the descriptor; the socket is owned by the result."""
    wrapped = tls.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
    try:
        async with asyncio.timeout(patience):
            while True:
                try:
                    wrapped.do_handshake()
                except ssl.SSLWantReadError:
                    await ready(wrapped, for_write=False)
                except ssl.SSLWantWriteError:
                    await ready(wrapped, for_write=True)
                else:
                    return wrapped
    except BaseException:
        wrapped.close()
        raise

"""The connection below MQTT: plain, TLS, or a websocket in either; all of them look like a non-blocking socket."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from adapters.mqtt.dial import dial
from adapters.mqtt.readiness import ready
from adapters.mqtt.seam import Connect
from adapters.mqtt.websocket import FrameReader, WebsocketError, check_response, closing, frame, new_key, request, response_end
from rt_edge.sdk import TransientError

FRAME = 65_536
"""Most bytes of one frame of ours."""
HINT = "check port and path of the url: brokers have a listener of their own for websockets"
_BLOCKED = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


async def connect_link(options: Connect) -> Any:
    """A connected, non-blocking socket, or a `WebsocketLink`, which has the methods of one that are used here.

    Raises:
        TransientError: not there, or what is there does not speak TLS or websocket.
    """
    tls = options.tls if isinstance(options.tls, ssl.SSLContext) else None
    sock = await dial(options.host, options.port, tls, options.timeout)
    if options.websocket is None:
        return sock
    try:
        async with asyncio.timeout(options.timeout):
            return await _upgrade(sock, options, tls is not None)
    except WebsocketError as error:
        sock.close()
        raise TransientError(f"{options.host}:{options.port}{options.websocket}: {error}", HINT) from None
    except TimeoutError:
        sock.close()
        where = f"{options.host}:{options.port}{options.websocket}"
        raise TransientError(f"{where} did not answer the websocket handshake within {options.timeout:g} s") from None
    except OSError as error:
        sock.close()
        where = f"{options.host}:{options.port}{options.websocket}"
        why = f"the connection broke in the websocket handshake: {error.strerror or error}"
        raise TransientError(f"{where}: {why}", HINT) from None
    except BaseException:
        sock.close()
        raise


async def _upgrade(sock: Any, options: Connect, secure: bool) -> WebsocketLink:
    key = new_key()
    waiting = request(options.host, options.port, options.websocket or "/", key, secure)
    while waiting:
        try:
            waiting = waiting[sock.send(waiting) :]
        except _BLOCKED:
            await ready(sock, for_write=True)
    data = b""
    while (end := response_end(data)) < 0:
        try:
            piece = sock.recv(4096)
        except _BLOCKED:
            await ready(sock, for_write=False)
            continue
        if not piece:
            raise WebsocketError("the connection was closed in the handshake")
        data += piece
    check_response(data[: end - 4], key)
    return WebsocketLink(sock, data[end:])


class WebsocketLink:
    """A websocket that looks like the non-blocking socket below it: `recv`, `send`, `pending`, `fileno`, `close`.

    Args:
        sock: connected, upgraded.
        early: what came behind the handshake's answer.
    """

    def __init__(self, sock: Any, early: bytes = b"") -> None:
        self._sock = sock
        self._frames = FrameReader()
        self._early = early
        self._out = bytearray()  # at most one frame of ours and replies to control frames
        self._sending = 0
        self._ended = False

    def fileno(self) -> int:
        """The descriptor to watch."""
        return int(self._sock.fileno())

    def setblocking(self, flag: bool) -> None:
        """It never blocks."""
        if flag:
            raise ValueError("a websocket link does not block")

    def pending(self) -> int:
        """Bytes that no descriptor announces."""
        below = self._sock.pending() if isinstance(self._sock, ssl.SSLSocket) else 0
        return len(self._early) + below

    def recv(self, most: int) -> bytes:
        """Bytes of MQTT; empty: the end.

        Raises:
            BlockingIOError: none now (or the want-read and want-write of TLS).
            OSError: the connection broke, or what came is no websocket.
        """
        while not self._frames.closed:
            data, self._early = self._early, b""
            data = data or self._sock.recv(most)
            if not data:
                return b""
            try:
                payload = self._frames.feed(data)
            except WebsocketError as error:
                raise ConnectionError(str(error)) from None
            self._reply()
            if payload:
                return payload
        return b""

    def _reply(self) -> None:
        """Answer pings, behind a frame that is half sent; a peer that reads nothing and pings on is cut off."""
        self._out += self._frames.replies
        self._frames.replies.clear()
        if len(self._out) > 4 * FRAME:
            raise ConnectionError("the peer sends pings and reads none of the answers")
        try:
            self._flush()
        except _BLOCKED:
            return  # goes out with what is sent next

    def _flush(self) -> None:
        while self._out:
            del self._out[: self._sock.send(self._out)]

    def send(self, data: bytes) -> int:
        """Send the beginning of `data`; returns how much of it went. After BlockingIOError the same has to come again.

        Raises:
            BlockingIOError: not now.
        """
        piece = bytes(data[:FRAME])
        if not self._sending:
            self._out += frame(piece)
            self._sending = len(piece)
        self._flush()
        sent, self._sending = self._sending, 0
        return sent

    def close(self) -> None:
        """Say so, if that goes without waiting, and close; idempotent."""
        if self._ended:
            return
        self._ended = True
        try:
            if not self._out and self._sock.fileno() >= 0:
                self._sock.send(closing())
        except OSError:
            pass  # the other side is gone already, or takes nothing: closing says the same
        self._sock.close()

"""Websockets as MQTT uses them (RFC 6455; MQTT 5, 6.0): handshake and frames as pure functions and one small machine. No I/O.

MQTT takes the payloads of binary frames as one stream of bytes; how it is cut into frames means nothing. So a frame need not be
held whole: what has arrived of it is handed on, and the bound is that of the MQTT packets inside.
"""

from __future__ import annotations

import base64
import os
from hashlib import sha1

MAX_RESPONSE = 16_384
"""Bytes of the answer to the handshake."""
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUED, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10


class WebsocketError(ValueError):
    """The peer does not speak websocket, or not to MQTT clients."""


def new_key() -> str:
    """A nonce for one handshake (RFC 6455, 4.1)."""
    return base64.b64encode(os.urandom(16)).decode()


def request(host: str, port: int, resource: str, key: str, secure: bool) -> bytes:
    """The handshake's first half."""
    name = f"[{host}]" if ":" in host else host
    authority = name if port == (443 if secure else 80) else f"{name}:{port}"
    lines = [
        f"GET {resource} HTTP/1.1",
        f"Host: {authority}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: mqtt",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def response_end(data: bytes) -> int:
    """Where the frames begin behind the answer's header; -1 while it is not whole.

    Raises:
        WebsocketError: too long.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0 and len(data) > MAX_RESPONSE:
        raise WebsocketError(f"the answer to the handshake is longer than {MAX_RESPONSE} bytes")
    return end + 4 if end >= 0 else -1


def check_response(header: bytes, key: str) -> None:
    """Whether the answer opens a websocket to an MQTT broker (RFC 6455, 4.1; MQTT 5, 6.0).

    Raises:
        WebsocketError: with what it said instead.
    """
    status, *lines = header.decode("latin-1").split("\r\n")
    words = status.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.1") or words[1] != "101":
        raise WebsocketError(f"the handshake was answered with {status[:80]!r}, not with 101")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if fields.get("upgrade", "").lower() != "websocket" or "upgrade" not in fields.get("connection", "").lower():
        raise WebsocketError("the answer to the handshake does not upgrade to a websocket")
    wanted = base64.b64encode(sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()
    if fields.get("sec-websocket-accept") != wanted:
        raise WebsocketError("the answer to the handshake does not belong to our question")
    if fields.get("sec-websocket-protocol") != "mqtt":
        raise WebsocketError("the server does not speak MQTT at this address: it did not choose the subprotocol mqtt")


def frame(payload: bytes, opcode: int = _BINARY) -> bytes:
    """One whole frame, masked, as clients have to (RFC 6455, 5.3)."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    elif size < 65_536:
        head = bytes((0x80 | opcode, 0xFE)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 0xFF)) + size.to_bytes(8, "big")
    mask = os.urandom(4)
    pattern = (mask * (size // 4 + 1))[:size]
    return head + mask + (int.from_bytes(payload, "big") ^ int.from_bytes(pattern, "big")).to_bytes(size, "big")


class FrameReader:
    """Bytes of the connection in, bytes of MQTT out.

    Attributes:
        closed: the peer has said that it will send no more.
        replies: frames to send in answer (pongs, the closing frame); who uses this takes and clears them.
    """

    def __init__(self) -> None:
        self._head = b""
        self._control = b""
        self._opcode = 0
        self._left = 0
        self._inside = False  # a data message whose last frame has not come
        self.closed = False
        self.replies = bytearray()

    def feed(self, data: bytes) -> bytes:
        """What of the stream is in `data`.

        Raises:
            WebsocketError: malformed, or frames that MQTT has not.
        """
        out = []
        at = 0
        while at < len(data) and not self.closed:
            if not self._opcode:
                at = self._begin(data, at)
            piece = data[at : at + self._left]
            at += len(piece)
            self._left -= len(piece)
            if self._opcode >= _CLOSE:
                self._control += piece
            elif piece:
                out.append(piece)
            if self._opcode and not self._left:
                self._end()
        return out[0] if len(out) == 1 else b"".join(out)

    def _begin(self, data: bytes, at: int) -> int:
        """Take the header of a frame in, as far as it is there; `_opcode` is set when it is whole."""
        head = self._head
        while len(head) < (need := _header_size(head)) and at < len(data):
            taken = data[at : at + need - len(head)]
            head += taken
            at += len(taken)
        self._head = head
        if len(head) < need:
            return at
        self._head = b""
        self._check(head)
        self._left = head[1] & 127 if need == 2 else int.from_bytes(head[2:need], "big")
        return at

    def _check(self, head: bytes) -> None:
        opcode, last = head[0] & 15, bool(head[0] & 0x80)
        if head[0] & 0x70 or head[1] & 0x80:
            raise WebsocketError("a frame with bits that nobody agreed on, or masked by a server")
        if opcode in (_CLOSE, _PING, _PONG):
            if not last or head[1] & 127 > 125:
                raise WebsocketError("a control frame in parts, or of more than 125 bytes")
            self._opcode = opcode
            return
        if opcode == _TEXT or opcode not in (_CONTINUED, _BINARY):
            raise WebsocketError(f"a frame of kind {opcode}, where MQTT has binary ones")
        if (opcode == _CONTINUED) != self._inside:
            raise WebsocketError("frames that are not in order")
        self._inside = not last
        self._opcode = _BINARY

    def _end(self) -> None:
        opcode, self._opcode = self._opcode, 0
        content, self._control = self._control, b""
        if opcode == _PING:
            self.replies += frame(content, _PONG)
        elif opcode == _CLOSE:
            self.closed = True
            self.replies += frame(content[:2], _CLOSE)


def _header_size(head: bytes) -> int:
    """Bytes of a frame's header that begins with `head`, as far as that says it."""
    return 2 + {126: 2, 127: 8}.get(head[1] & 127, 0) if len(head) > 1 else 2


def closing() -> bytes:
    """The frame that ends our side in order (1000)."""
    return frame(b"\x03\xe8", _CLOSE)

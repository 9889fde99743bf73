"""The bytes of a link: a preface, then frames. No pickle, no I/O.

    preface  b"RTEL" version:u8 length:u8 claim        once, by each side, as soon as the connection is secure
    frame    size:u32 length:u8 number:u64 kind body   size counts what follows it; big-endian

A side is up when it has the other's preface. In TLS 1.3 a client has finished its handshake before the server has looked at
the client's certificate, so only the preface tells it that it was let in. `claim` is `role/node-id` on a plain loopback link
and empty under TLS, where the certificate says it.
"""

from __future__ import annotations

import struct

from rt_edge.actors.transport.messages import Frame
from rt_edge.data.errors import CodecError

MAGIC = b"RTEL"
VERSION = 1
MAX_KIND = 32
MAX_NUMBER = 2**64 - 1
_MAX_CLAIM = 255
_SIZE = struct.Struct(">I")
_HEAD = struct.Struct(">BQ")
_PREFACE = struct.Struct(">4sBB")


def encode_preface(claim: str = "") -> bytes:
    """The first bytes of a side."""
    data = claim.encode("ascii")
    if len(data) > _MAX_CLAIM:
        raise ValueError(f"a claim has at most {_MAX_CLAIM} bytes")
    return _PREFACE.pack(MAGIC, VERSION, len(data)) + data


def encode_frame(frame: Frame) -> bytes:
    """The bytes of a frame.

    Raises:
        ValueError: kind or number out of range.
    """
    kind = frame.kind.encode("ascii")
    if not 0 < len(kind) <= MAX_KIND or not 0 <= frame.number <= MAX_NUMBER:
        raise ValueError(f"a kind has 1 to {MAX_KIND} characters and a number 64 bits: {frame}")
    return b"".join((_SIZE.pack(_HEAD.size + len(kind) + len(frame.body)), _HEAD.pack(len(kind), frame.number), kind, frame.body))


def _parse(data: memoryview) -> Frame:
    length, number = _HEAD.unpack_from(data)
    start = _HEAD.size + length
    if not 0 < length <= MAX_KIND or start > len(data):
        raise CodecError(f"a frame of {len(data)} bytes has a kind of {length} characters")
    try:
        kind = str(data[_HEAD.size : start], "ascii")
    except UnicodeDecodeError:
        raise CodecError("the kind of a frame is not ASCII") from None
    return Frame(kind, number, bytes(data[start:]))


class Decoder:
    """Turns received bytes into a preface and frames; bounded by one frame and what came with it.

    Args:
        max_frame: bytes of the largest frame, without its size field.
    """

    def __init__(self, max_frame: int) -> None:
        self._buffer = bytearray()
        self._max_frame = max_frame
        self.claim: str | None = None

    def feed(self, data: bytes) -> list[Frame]:
        """Frames that are complete now, in order; `claim` is set when the preface has come.

        Raises:
            CodecError: not this protocol, a frame that is too large (told from its size field, before anything is
                kept for it), or a malformed one.
        """
        buffer = self._buffer
        buffer += data
        if self.claim is None and not self._preface():
            return []
        frames: list[Frame] = []
        at, end = 0, len(buffer)
        view = memoryview(buffer)
        try:
            while end - at >= _SIZE.size:
                (size,) = _SIZE.unpack_from(view, at)
                if not _HEAD.size < size <= self._max_frame:
                    raise CodecError(f"a frame of {size} bytes; {_HEAD.size + 1} to {self._max_frame} are allowed")
                if end - at - _SIZE.size < size:
                    break
                at += _SIZE.size
                frames.append(_parse(view[at : at + size]))
                at += size
        finally:
            view.release()
        del buffer[:at]
        return frames

    def _preface(self) -> bool:
        buffer = self._buffer
        if not MAGIC.startswith(buffer[:4]) and not buffer.startswith(MAGIC):
            raise CodecError(f"the peer does not speak this protocol; it said {bytes(buffer[:8])!r}")
        if len(buffer) < _PREFACE.size:
            return False
        _, version, length = _PREFACE.unpack_from(buffer)
        if version != VERSION:
            raise CodecError(f"the peer speaks version {version} of the link, this node version {VERSION}")
        if len(buffer) < _PREFACE.size + length:
            return False
        try:
            self.claim = buffer[_PREFACE.size : _PREFACE.size + length].decode("ascii")
        except UnicodeDecodeError:
            raise CodecError("the preface is not ASCII") from None
        del buffer[: _PREFACE.size + length]
        return True

"""Readings as bytes: MessagePack with a one-byte version in front (design 4).

byte 0      version, 1
byte 1      flags: bit 0 = body is compressed with zlib (reserved bits are 0)
rest        MessagePack array of Readings (array-like, append-only layout)
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence

import msgspec

from rt_edge.data.errors import CodecError
from rt_edge.data.reading import Reading

VERSION = 1
_COMPRESSED = 1
MAX_DECODED = 16_000_000
"""Bytes a compressed body may unpack to; a bomb is refused."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Reading])


def encode_readings(readings: Sequence[Reading], compress: bool = False) -> bytes:
    """`readings` as one payload."""
    if compress:
        return bytes((VERSION, _COMPRESSED)) + zlib.compress(_encoder.encode(readings), 1)
    buffer = bytearray((VERSION, 0))
    _encoder.encode_into(readings, buffer, 2)
    return bytes(buffer)


def decode_readings(payload: bytes | memoryview) -> list[Reading]:
    """The Readings of a payload.

    Raises:
        CodecError: an unknown version or flag, a body that does not unpack, or one that unpacks to too much.
    """
    if len(payload) < 2:
        raise CodecError(f"a payload of {len(payload)} bytes has no header")
    version, flags = payload[0], payload[1]
    if version != VERSION or flags & ~_COMPRESSED:
        raise CodecError(f"payload version {version}, flags {flags:#x} are not known", "a newer rt_edge wrote it")
    body: bytes | memoryview = memoryview(payload)[2:]
    if flags & _COMPRESSED:
        body = _inflate(body)
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CodecError(f"payload is not a list of readings: {error}") from error


def _inflate(body: bytes | memoryview) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        plain = unpacker.decompress(body, MAX_DECODED)
    except zlib.error as error:
        raise CodecError(f"payload does not decompress: {error}") from error
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise CodecError(f"payload unpacks to more than {MAX_DECODED} bytes, or is cut off")
    return plain


def pack(readings: Sequence[Reading], max_elements: int, max_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Cut `readings` into payloads within both bounds; yields (number of readings, payload).

    A single reading larger than `max_bytes` makes a payload of its own: the caller decides what to do with it.
    """
    start = 0
    while start < len(readings):
        n = min(max_elements, len(readings) - start)
        payload = encode_readings(readings[start : start + n])
        while len(payload) > max_bytes and n > 1:
            n = max(1, min(n - 1, n * max_bytes // len(payload)))
            payload = encode_readings(readings[start : start + n])
        yield n, payload
        start += n

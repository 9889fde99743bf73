"""The wire format of Protocol Buffers: bytes -> (field number, wire type, value). No schema, no library, no I/O.

Source: protobuf.dev, "Encoding". Groups (wire types 3 and 4), which nothing writes any more, are refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from rt_edge.sdk import CodecError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

Field = tuple[int, int, int | bytes]
"""Number, wire type, and the value: an unsigned number (VARINT, FIXED64, FIXED32) or bytes."""

_FLOAT = struct.Struct("<f")
_DOUBLE = struct.Struct("<d")


def fields(data: bytes) -> Iterator[Field]:
    """Every field of a message, in order.

    Raises:
        CodecError: cut off or malformed, with the place.
    """
    at, end = 0, len(data)
    while at < end:
        start = at
        key, at = varint(data, at)
        number, kind = key >> 3, key & 7
        if not 1 <= number < 1 << 29:
            raise CodecError(f"byte {start}: a field with the number {number}")
        if kind == VARINT:
            value: int | bytes
            value, at = varint(data, at)
        elif kind == BYTES:
            size, at = varint(data, at)
            if size > end - at:
                raise CodecError(f"byte {start}: field {number} is cut off: {size} bytes, {end - at} are there")
            value = data[at : at + size]
            at += size
        elif kind in (FIXED32, FIXED64):
            size = 4 if kind == FIXED32 else 8
            if size > end - at:
                raise CodecError(f"byte {start}: field {number} is cut off")
            value = int.from_bytes(data[at : at + size], "little")
            at += size
        else:
            raise CodecError(f"byte {start}: field {number} is written in a way (wire type {kind}) that is not read here")
        yield number, kind, value


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, of at most 64 bits, and the place behind it.

    Raises:
        CodecError: cut off, or longer than ten bytes.
    """
    value = shift = 0
    try:
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value & 0xFFFF_FFFF_FFFF_FFFF, at
            shift += 7
            if shift > 63:
                raise CodecError(f"byte {at}: a number of more than ten bytes")
    except IndexError:
        raise CodecError("a number at the end is cut off") from None


def packed(data: bytes, kind: int) -> Iterator[int]:
    """The numbers of a packed repeated field, each written as `kind`.

    Raises:
        CodecError: cut off.
    """
    at = 0
    if kind == VARINT:
        while at < len(data):
            value, at = varint(data, at)
            yield value
        return
    size = 4 if kind == FIXED32 else 8
    if len(data) % size:
        raise CodecError(f"a list of {len(data)} bytes, each value having {size}")
    for at in range(0, len(data), size):
        yield int.from_bytes(data[at : at + size], "little")


def signed(value: int, bits: int) -> int:
    """The lowest `bits` of a number, as two's complement."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def zigzag(value: int) -> int:
    """The number behind sint32 and sint64."""
    return value >> 1 ^ -(value & 1)


def float32(value: int) -> float:
    """The number whose four bytes are `value`."""
    return float(_FLOAT.unpack(value.to_bytes(4, "little"))[0])


def float64(value: int) -> float:
    """The number whose eight bytes are `value`."""
    return float(_DOUBLE.unpack(value.to_bytes(8, "little"))[0])


def text(data: bytes) -> str:
    """A string.

    Raises:
        CodecError: not UTF-8.
    """
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise CodecError(f"a text that is not UTF-8 (its byte {error.start})") from None


def number_field(number: int, value: int) -> bytes:
    """An unsigned number as a field."""
    return write_varint(number << 3) + write_varint(value)


def bytes_field(number: int, value: bytes | str) -> bytes:
    """Text, bytes or a message as a field."""
    raw = value.encode() if isinstance(value, str) else value
    return write_varint(number << 3 | BYTES) + write_varint(len(raw)) + raw


def write_varint(value: int) -> bytes:
    """An unsigned number."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)

"""Frames between a pool and its processes: 4 bytes of length, little-endian, then MessagePack. No pickle: no code crosses."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import msgspec

from rt_edge.data.errors import CodecError
from rt_edge.data.reading import Reading

MAX_FRAME = 16_000_000
"""Bytes of one element, encoded."""

_HEADER = struct.Struct("<I")


class Piece(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """An element on its way to a process, or what became of it.

    Attributes:
        number: of the question.
        reading: the element, if it is a Reading.
        plain: the element, if it is plain data (numbers, text, bytes, lists, mappings).
        error: why there is no answer.
    """

    number: int
    reading: Reading | None = None
    plain: Any = None
    error: str = ""

    @property
    def element(self) -> Any:
        """Whichever of the two it is."""
        return self.plain if self.reading is None else self.reading


def pack(number: int, element: Any = None, error: str = "") -> bytes:
    """A frame.

    Raises:
        CodecError: an element that is neither a Reading nor plain data, or too large.
    """
    reading, plain = (element, None) if isinstance(element, Reading) else (None, element)
    try:
        body = msgspec.msgpack.encode(Piece(number, reading, plain, error))
    except (TypeError, OverflowError) as wrong:
        raise CodecError(f"{type(element).__name__} is not plain data: {wrong}") from wrong
    if len(body) > MAX_FRAME:
        raise CodecError(f"an element of {len(body)} bytes; at most {MAX_FRAME} go to a process")
    return _HEADER.pack(len(body)) + body


class Unpacker:
    """Makes pieces of bytes as they come."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Piece]:
        """The pieces that are whole now.

        Raises:
            CodecError: no frame.
        """
        buffer = self._buffer
        buffer += data
        while len(buffer) >= _HEADER.size:
            (length,) = _HEADER.unpack_from(buffer)
            if length > MAX_FRAME:
                raise CodecError(f"a frame of {length} bytes")
            end = _HEADER.size + length
            if len(buffer) < end:
                return
            body = bytes(buffer[_HEADER.size : end])
            del buffer[:end]
            try:
                yield msgspec.msgpack.decode(body, type=Piece)
            except msgspec.DecodeError as wrong:
                raise CodecError(f"a frame that cannot be read: {wrong}") from wrong

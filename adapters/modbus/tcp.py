"""MBAP frames (MODBUS Messaging on TCP/IP V1.0b, 3.1.3) without I/O: numbered, so a late reply is known as such."""

from __future__ import annotations

import struct
from collections.abc import Callable

from adapters.modbus.late import Shape
from adapters.modbus.pdu import EXCEPTION, Request
from rt_edge.sdk import CodecError

HEADER = struct.Struct(">HHHB")
MAX_PDU = 253
_NO_LATE: dict[Shape, float] = {}


class MbapFraming:
    """One TCP connection.

    Args:
        count: counters: `late_frames`, `foreign_frames` (right number, wrong unit or function).
    """

    __slots__ = ("_buffer", "_count", "_number", "_pending")

    def __init__(self, count: Callable[[str, int], None]) -> None:
        self._count = count
        self._buffer = b""
        self._number = 0
        self._pending: tuple[int, int, int] | None = None

    def begin(self, unit: int, request: Request, now: float) -> bytes:
        """See `Framing`."""
        self._number = self._number + 1 & 0xFFFF
        self._pending = (self._number, unit, request.pdu[0])
        return HEADER.pack(self._number, 0, len(request.pdu) + 1, unit) + request.pdu

    def feed(self, data: bytes, now: float) -> bytes | None:
        """See `Framing`.

        Raises:
            CodecError: this is not MBAP, or its beginning was lost: only a new connection helps.
        """
        buffer = self._buffer + data if self._buffer else data
        reply = None
        while len(buffer) >= 7:
            number, protocol, length, unit = HEADER.unpack_from(buffer)
            if protocol != 0 or not 3 <= length <= MAX_PDU + 1:
                self._buffer = b""
                raise CodecError(f"{buffer[:7].hex()} is not the header of a Modbus TCP reply", "is this RTU over TCP?")
            if len(buffer) < 6 + length:
                break
            pdu, buffer = buffer[7 : 6 + length], buffer[6 + length :]
            if self._pending is None or number != self._pending[0]:
                self._count("late_frames", 1)
            elif unit != self._pending[1] or pdu[0] & ~EXCEPTION != self._pending[2]:
                self._count("foreign_frames", 1)
            else:
                reply, self._pending = pdu, None
        self._buffer = buffer
        return reply

    def give_up(self, now: float) -> bytes | None:
        """See `Framing`."""
        self._pending = None
        return None

    def late(self, unit: int, now: float) -> dict[Shape, float]:
        """Nothing: frames are numbered."""
        return _NO_LATE

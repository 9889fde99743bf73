"""RTU frames: CRC, length by function and byte count, resynchronisation (MODBUS over Serial Line V1.02, 2.5.1)."""

from __future__ import annotations

from adapters.modbus.pdu import EXCEPTION, IDENTIFY, identity_length
from adapters.modbus.stream_framing import StreamFraming

MAX_FRAME = 256
"""Bytes of the longest RTU frame (MODBUS over Serial Line V1.02, 2.5.1)."""

BUFFER = 2 * MAX_FRAME


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


_TABLE = _crc_table()


def crc16(data: bytes | bytearray) -> int:
    """CRC-16/MODBUS (serial line specification, 6.2.2); it goes on the wire low byte first."""
    crc = 0xFFFF
    table = _TABLE
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc


class RtuFraming(StreamFraming):
    """One RTU line; also RTU over TCP. See `StreamFraming`."""

    __slots__ = ()

    buffer_bytes = BUFFER

    def frame(self, unit: int, pdu: bytes) -> bytes:
        """See `StreamFraming`."""
        head = bytes((unit,)) + pdu
        return head + crc16(head).to_bytes(2, "little")

    def feed(self, data: bytes, now: float) -> bytes | None:
        """See `Framing`."""
        if self._pending and not self._buffer and not self._echo and not self._ledger:
            unit, shape = self._pending  # the usual case: the whole frame, and nothing else can be on the line
            expected = len(data) == shape.length + 3 and data[0] == unit and data[1] == shape.function
            if expected and (shape.function > 4 or data[2] == shape.length - 2) and not crc16(data):
                self._pending = None
                return data[1:-2]
        return super().feed(data, now)

    def _scan(self, now: float, final: bool) -> bytes | None:
        """Take frames off the buffer from the left; `final`: what is incomplete now will not be completed."""
        buffer = self._buffer
        at = 0
        headers = self._headers()
        while at < len(buffer):
            length = self._frame_at(at, headers)
            if length is None:
                at += 1
                continue
            if length == 0 or at + length > len(buffer):
                if final:
                    at += 1
                    continue
                break
            frame = bytes(buffer[at : at + length])
            if crc16(frame[:-2]) != int.from_bytes(frame[-2:], "little"):
                self._count("crc_errors", 1)
                at += 1
                continue
            self._noise(at)
            del buffer[:length]
            at = 0
            pdu = self._take(frame[0], frame[1:-2], now)
            if pdu is not None:
                return pdu
            headers = self._headers()
        self._noise(at)
        return None

    def _frame_at(self, at: int, headers: dict[tuple[int, int], list[int]]) -> int | None:
        """Bytes of the frame that starts at `at` by its header; 0: too few bytes to know; None: none of those that may come."""
        head = self._buffer[at : at + 3]
        if len(head) < 2:
            return 0 if any(unit == head[0] for unit, _ in headers) else None
        lengths = headers.get((head[0], head[1] & ~EXCEPTION))
        if lengths is None:
            return None
        if head[1] & EXCEPTION:
            return 5
        if head[1] == IDENTIFY:
            size = identity_length(self._buffer, at + 1)
            return size + 3 if size else 0
        if head[1] > 4:  # a write: its PDU comes back, or its beginning
            return lengths[0] + 3
        if len(head) < 3:
            return 0
        return head[2] + 5 if head[2] + 2 in lengths else None

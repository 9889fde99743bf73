"""ASCII frames: a colon, two hexadecimal digits a byte, LRC, CR LF (MODBUS over Serial Line V1.02, 2.5.2)."""

from __future__ import annotations

from adapters.modbus.pdu import EXCEPTION, Request
from adapters.modbus.stream_framing import StreamFraming

MAX_FRAME = 513
"""Characters of the longest ASCII frame (2.5.2.1)."""

SHORTEST = 4
"""Bytes of the shortest reply: unit, function, exception, LRC."""

_HEX = frozenset(b"0123456789ABCDEFabcdef")


def lrc(data: bytes | bytearray) -> int:
    """Longitudinal redundancy check (6.2.1): the bytes and it add up to 0 modulo 256."""
    return -sum(data) & 0xFF


class AsciiFraming(StreamFraming):
    """One ASCII line; also ASCII over TCP. See `StreamFraming`."""

    __slots__ = ()

    buffer_bytes = 2 * MAX_FRAME

    def frame(self, unit: int, pdu: bytes) -> bytes:
        """See `StreamFraming`."""
        head = bytes((unit,)) + pdu
        return b":%s%02X\r\n" % (head.hex().upper().encode(), lrc(head))

    def begin(self, unit: int, request: Request, now: float) -> bytes:
        """See `StreamFraming`. A frame that has begun before is a late one or none; without its beginning the rest is noise."""
        frame = super().begin(unit, request, now)
        head = bytes(self._buffer[1:5])
        unit_and_function = bytes.fromhex(head.decode()) if len(head) == 4 and _HEX.issuperset(head) else b""
        if not unit_and_function or (unit_and_function[0], unit_and_function[1] & ~EXCEPTION) not in self._ledger.headers():
            self._noise(len(self._buffer))
        return frame

    def _scan(self, now: float, final: bool) -> bytes | None:
        """See `StreamFraming`. A frame ends at CR LF; a colon within it means that the end of the one before was lost.

        What is incomplete stays, also when the time is over: nothing can be mistaken for it.
        """
        buffer = self._buffer
        while True:
            start = buffer.find(b":")
            if start < 0:
                self._noise(len(buffer))
                return None
            end = buffer.find(b"\r\n", start)
            again = buffer.find(b":", start + 1)
            if again >= 0 and (end < 0 or again < end):
                self._noise(again)
                continue
            self._noise(start)
            if end < 0:
                if len(buffer) > MAX_FRAME:
                    self._noise(len(buffer))
                return None
            text = bytes(buffer[1 : end - start])
            found = self._sound(text)
            if found is None:
                self._noise(end - start + 2)
                continue
            del buffer[: end - start + 2]
            pdu = self._take(found[0], found[1:], now)
            if pdu is not None:
                return pdu

    def _sound(self, text: bytes) -> bytes | None:
        """Unit and PDU in the digits of a frame; None: damaged, or none of those that may come."""
        if len(text) % 2 or len(text) < 2 * SHORTEST or not _HEX.issuperset(text):
            self._count("crc_errors", 1)
            return None
        frame = bytes.fromhex(text.decode())
        if sum(frame) & 0xFF:
            self._count("crc_errors", 1)
            return None
        unit, function = frame[0], frame[1]
        lengths = self._headers().get((unit, function & ~EXCEPTION))
        if lengths is None:
            return None
        size = len(frame) - 2
        if function & EXCEPTION:
            return frame[:-1] if size == 2 else None
        if function <= 4 and frame[2] + 2 != size:
            return None
        return frame[:-1]

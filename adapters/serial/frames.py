"""The framing of a line: bytes to frames with their checksum verified, and requests into frames; no I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adapters.serial.codec import wire_bytes
from rt_edge.sdk.framing import (
    CobsFramer,
    Crc,
    DelimiterFramer,
    Framer,
    LengthField,
    LengthFieldFramer,
    SlipFramer,
    cobs_encode,
    crc_named,
    slip_encode,
)

COBS_END = b"\x00"
SLIP_END = b"\xc0"


def length_field_of(framing: Any) -> LengthField:
    """Where the length stands, by the settings."""
    magic = wire_bytes(framing.magic)
    return LengthField(
        framing.offset_bytes, framing.size_bytes, framing.order, framing.includes_header, framing.trailer_bytes, magic
    )


class Cutter:
    """Cuts what arrives into payloads.

    Args:
        framing: the settings.
        count: counters: `garbage_bytes`, `oversize`, `bad_frames`, `dropped_bad_crc`, `skipped_bytes` (before the first frame
            that is known to be whole).
    """

    def __init__(self, framing: Any, count: Callable[[str, int], None]) -> None:
        self._count = count
        self._end = b""
        self._framer: Framer
        match framing.kind:
            case "delimiter":
                self._end = wire_bytes(framing.delimiter)
                self._framer = DelimiterFramer(self._end, framing.max_length_bytes)
            case "cobs":
                self._end = COBS_END
                self._framer = CobsFramer(framing.max_length_bytes)
            case "slip":
                self._end = SLIP_END
                self._framer = SlipFramer(framing.max_length_bytes)
            case _:
                self._framer = LengthFieldFramer(length_field_of(framing), framing.max_length_bytes, strip=False)
        self._crc: Crc | None = crc_named(framing.crc) if framing.crc else None
        self._order: Any = None if framing.crc_order == "usual" else framing.crc_order
        self._skip: int = framing.crc_skip_bytes
        self._seeking = False
        self._tail = b""

    @property
    def begun(self) -> bool:
        """Whether there is a piece of a frame."""
        return bool(self._framer.buffer)

    def restart(self, whole: bool) -> None:
        """What follows is not the continuation of what came.

        Args:
            whole: the next byte begins a frame; else the first frame is left out, since its beginning may be missing (a number
                without its first digits is a wrong number).
        """
        self._framer.reset()
        self._seeking = not whole and bool(self._end)
        self._tail = b""
        self._tell()

    def feed(self, data: bytes) -> list[bytes]:
        """Take what arrived; the payloads that are complete and right."""
        if self._seeking:
            data = self._seek(data)
        frames = self._framer.feed(data)
        if self._framer.counts:
            self._tell()
        if self._crc is None:
            return [frame.payload for frame in frames]
        return [payload for frame in frames if (payload := self._checked(frame.payload)) is not None]

    def _seek(self, data: bytes) -> bytes:
        """Leave out all up to the first end of a frame."""
        data = self._tail + data
        at = data.find(self._end)
        if at < 0:
            keep = len(self._end) - 1
            self._tail = data[len(data) - keep :] if keep else b""
            self._count("skipped_bytes", len(data) - len(self._tail))
            return b""
        self._seeking, self._tail = False, b""
        if at:
            self._count("skipped_bytes", at)
        return data[at + len(self._end) :]

    def _checked(self, payload: bytes) -> bytes | None:
        crc = self._crc
        assert crc is not None
        if len(payload) <= self._skip + crc.size or not crc.is_right(payload[self._skip :], self._order):
            self._count("dropped_bad_crc", 1)
            return None
        return payload[: -crc.size]

    def _tell(self) -> None:
        counts = self._framer.counts
        for name, n in counts.items():
            self._count(name, n)
        counts.clear()


def frame_of(framing: Any, payload: bytes) -> bytes:
    """`payload` in a frame: its checksum, then the length, the stuffing or the delimiter."""
    crc = crc_named(framing.crc) if framing.crc else None
    order = None if framing.crc_order == "usual" else framing.crc_order
    if framing.kind == "length_field":
        if crc is None:
            return length_field_of(framing).encode(payload)
        frame = length_field_of(framing).encode(payload + bytes(crc.size))[: -crc.size]
        return frame + crc.bytes_of(frame[framing.crc_skip_bytes :], order)
    if crc is not None:
        payload += crc.bytes_of(payload[framing.crc_skip_bytes :], order)
    match framing.kind:
        case "cobs":
            return cobs_encode(payload) + COBS_END
        case "slip":
            return SLIP_END + slip_encode(payload) + SLIP_END
        case _:
            return payload + wire_bytes(framing.delimiter)

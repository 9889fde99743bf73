"""Frames that say how long they are."""

from __future__ import annotations

from typing import Literal, NamedTuple

from rt_edge.data.errors import CodecError, ConfigError
from rt_edge.streams.framing.framer import Frame, Framer

SIZES = (1, 2, 3, 4, 8)


class LengthField(NamedTuple):
    """Where a frame says how long it is.

    Attributes:
        offset: bytes before the field.
        size: bytes of the field: 1, 2, 3, 4 or 8.
        order: of its bytes.
        includes_header: whether the number counts the field and what is before it.
        trailer: bytes behind that the number does not count, like a checksum.
        magic: what every frame begins with; helps to find the next frame behind garbage.
    """

    offset: int = 0
    size: int = 2
    order: Literal["big", "little"] = "big"
    includes_header: bool = False
    trailer: int = 0
    magic: bytes = b""

    def check(self) -> None:
        """Raise ConfigError if there is no such field."""
        if self.size not in SIZES:
            raise ConfigError(f"size is {self.size}, it has to be one of {', '.join(map(str, SIZES))}")
        if self.offset < 0 or self.trailer < 0:
            raise ConfigError("offset and trailer have to be at least 0")
        if len(self.magic) > self.offset:
            raise ConfigError("magic is longer than what is before the length", "offset counts it, too")

    @property
    def header(self) -> int:
        """Bytes up to the end of the field."""
        return self.offset + self.size

    def frame_length(self, header: bytes | bytearray) -> int:
        """Bytes of the whole frame whose first bytes these are; may be anything."""
        said = int.from_bytes(header[self.offset : self.header], self.order)
        return said + self.trailer + (0 if self.includes_header else self.header)

    def encode(self, payload: bytes) -> bytes:
        """`payload` with the field put in behind its first `offset` bytes.

        Raises:
            CodecError: it is too short for the offset, or too long for the field.
        """
        if len(payload) < self.offset + self.trailer:
            raise CodecError(f"{len(payload)} bytes are too few for a length at offset {self.offset}")
        said = len(payload) - self.offset - self.trailer + (self.header if self.includes_header else 0)
        if said >= 1 << 8 * self.size:
            raise CodecError(f"a length of {said} does not fit into {self.size} bytes")
        return payload[: self.offset] + said.to_bytes(self.size, self.order) + payload[self.offset :]

    def strip(self, frame: bytes) -> bytes:
        """What `encode` was given."""
        return frame[: self.offset] + frame[self.header :]


class LengthFieldFramer(Framer):
    """Frames that say how long they are. The payload is the whole frame, or all but the field.

    A length that cannot be is garbage: one byte is left out, and the next is tried, behind the next `magic` if there is one.

    Args:
        field: where the length is.
        max_length: bytes of a whole frame, at most.
        strip: whether the field is taken out of the payload.
    """

    def __init__(self, field: LengthField, max_length: int, strip: bool = True) -> None:
        field.check()
        super().__init__(max_length)
        self._field = field
        self._strip = strip
        self._synchronized = True

    def find(self) -> Frame | None:
        """As many bytes as the length says."""
        field = self._field
        while True:
            if field.magic and not self._find_magic():
                return None
            if len(self.buffer) < field.header:
                return None
            length = field.frame_length(self.buffer)
            if length < field.header + field.trailer or length > self.max_length:
                if self._synchronized:
                    self.counts["oversize" if length > self.max_length else "bad_frames"] += 1
                self._synchronized = False
                self.leave_out(1)
                continue
            if len(self.buffer) < length:
                return None
            self._synchronized = True
            start = self.kept_from
            frame = self.take(length)
            return Frame(field.strip(frame) if self._strip else frame, start, self.kept_from)

    def _find_magic(self) -> bool:
        """Leave out what is before the next magic; whether there may be one at the beginning now, all of it."""
        magic = self._field.magic
        at = self.buffer.find(magic)
        if at < 0:
            keep = min(len(magic) - 1, len(self.buffer))
            while keep and not magic.startswith(bytes(self.buffer[len(self.buffer) - keep :])):
                keep -= 1
            at, found = len(self.buffer) - keep, False
        else:
            found = True
        if at:
            self.leave_out(at)
        return found

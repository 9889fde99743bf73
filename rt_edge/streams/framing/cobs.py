"""Consistent overhead byte stuffing (Cheshire and Baker, IEEE/ACM Transactions on Networking 7(2), 1999): no zero inside."""

from __future__ import annotations

from rt_edge.data.errors import CodecError
from rt_edge.streams.framing.delimiter import DelimiterFramer

ZERO = b"\x00"
_LONGEST = 254


def cobs_encode(payload: bytes) -> bytes:
    """`payload` without zeros; the delimiter is not part of it. At most one byte longer for each 254, and one."""
    out = bytearray()
    blocks = payload.split(ZERO)
    for number, block in enumerate(blocks):
        rest = block
        while len(rest) >= _LONGEST:
            out.append(0xFF)
            out += rest[:_LONGEST]
            rest = rest[_LONGEST:]
            if not rest and number == len(blocks) - 1:
                return bytes(out)  # a full block at the end needs no empty one behind it
        out.append(len(rest) + 1)
        out += rest
    return bytes(out)


def cobs_decode(data: bytes) -> bytes:
    """What `cobs_encode` was given.

    Raises:
        CodecError: a zero inside, or a block that is longer than what is there.
    """
    if ZERO in data:
        raise CodecError("a zero inside of a COBS frame")
    out = bytearray()
    at, end = 0, len(data)
    while at < end:
        code = data[at]
        if at + code > end:
            raise CodecError(f"a COBS block of {code - 1} bytes where {end - at - 1} are left")
        out += data[at + 1 : at + code]
        at += code
        if code != 0xFF and at < end:
            out.append(0)
    return bytes(out)


class CobsFramer(DelimiterFramer):
    """Frames in COBS, a zero behind each.

    Args:
        max_length: bytes of a frame as it is in the stream, without its delimiter, at most.
    """

    def __init__(self, max_length: int) -> None:
        super().__init__(ZERO, max_length)

    def payload(self, data: bytes) -> bytes | None:
        """Decoded; what cannot be is left out."""
        try:
            return cobs_decode(data)
        except CodecError:
            self.counts["bad_frames"] += 1
            self.counts["garbage_bytes"] += len(data) + 1
            return None

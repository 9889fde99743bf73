"""SLIP (RFC 1055): END around frames, and escapes for END and ESC inside of them."""

from __future__ import annotations

from rt_edge.data.errors import CodecError
from rt_edge.streams.framing.delimiter import DelimiterFramer

END = b"\xc0"
ESC = b"\xdb"
ESC_END = b"\xdb\xdc"
ESC_ESC = b"\xdb\xdd"


def slip_encode(payload: bytes) -> bytes:
    """`payload` with END and ESC escaped; the ENDs around it are not part of it."""
    return payload.replace(ESC, ESC_ESC).replace(END, ESC_END)


def slip_decode(data: bytes) -> bytes:
    """What `slip_encode` was given.

    Raises:
        CodecError: an END inside, or an ESC before anything but its two codes (RFC 1055 leaves open what to do then).
    """
    if END in data:
        raise CodecError("an END inside of a SLIP frame")
    parts = data.split(ESC)
    out = bytearray(parts[0])
    for part in parts[1:]:
        if part[:1] == b"\xdc":
            out += END
        elif part[:1] == b"\xdd":
            out += ESC
        else:
            raise CodecError(f"an ESC before {part[:1].hex() or 'the end'} in a SLIP frame")
        out += part[1:]
    return bytes(out)


class SlipFramer(DelimiterFramer):
    """Frames in SLIP; an END before a frame is as good as none.

    Args:
        max_length: bytes of a frame as it is in the stream, without its ENDs, at most.
    """

    def __init__(self, max_length: int) -> None:
        super().__init__(END, max_length)

    def payload(self, data: bytes) -> bytes | None:
        """Decoded; what cannot be is left out."""
        try:
            return slip_decode(data)
        except CodecError:
            self.counts["bad_frames"] += 1
            self.counts["garbage_bytes"] += len(data) + 1
            return None

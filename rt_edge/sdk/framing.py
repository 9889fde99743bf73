"""Frames in streams of bytes and checksums, for the codecs of adapters; see `rt_edge.streams.framing`."""

from rt_edge.streams.framing import (
    CRCS,
    CobsFramer,
    Crc,
    DelimiterFramer,
    Frame,
    Framer,
    LengthField,
    LengthFieldFramer,
    SlipFramer,
    cobs_decode,
    cobs_encode,
    crc_named,
    slip_decode,
    slip_encode,
)

__all__ = [
    "CRCS",
    "CobsFramer",
    "Crc",
    "DelimiterFramer",
    "Frame",
    "Framer",
    "LengthField",
    "LengthFieldFramer",
    "SlipFramer",
    "cobs_decode",
    "cobs_encode",
    "crc_named",
    "slip_decode",
    "slip_encode",
]

"""Frames in streams of bytes: delimiters, length fields, COBS, SLIP, and CRCs. Pure functions and state machines, no I/O.

A framer is fed what arrives, in pieces of any size, and gives the frames that are complete. What is no frame it leaves out,
counts, and goes on behind: its memory is bounded by the longest frame.
"""

from rt_edge.streams.framing.cobs import CobsFramer, cobs_decode, cobs_encode
from rt_edge.streams.framing.crc import CRCS, Crc, crc_named
from rt_edge.streams.framing.delimiter import DelimiterFramer
from rt_edge.streams.framing.framer import Frame, Framer
from rt_edge.streams.framing.length_field import LengthField, LengthFieldFramer
from rt_edge.streams.framing.slip import SlipFramer, slip_decode, slip_encode

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

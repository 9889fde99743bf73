"""How long things take on the wire: the arithmetic behind holes, timeouts and the capacity check.

Sources: MODBUS over Serial Line V1.02, 2.5.1.1 (a character is 11 bits, or 10 without parity and with one stop bit; frames are
3.5 characters apart, fixed at 1.75 ms above 19,200 baud), MODBUS Application Protocol V1.1b3, 6 (sizes of the PDUs).
"""

from __future__ import annotations

from typing import NamedTuple

READ_REQUEST = 5
"""Bytes of the PDU of a read request: function, address (2), count (2)."""

READ_REPLY = 2
"""Bytes of the PDU of a read reply beside its data: function, byte count."""

RTU_OVERHEAD = 3
"""Characters that RTU adds to a PDU: unit and CRC (2)."""

ASCII_OVERHEAD = 7
"""Characters that ASCII adds to a PDU: colon, unit (2), LRC (2), CR, LF."""

FAST_BAUD = 19_200
FAST_SILENCE = 0.00175
"""Above FAST_BAUD the silence between frames is fixed (2.5.1.1)."""

TCP_HOLE = 50
"""Registers read through on TCP rather than asked for by a second request: there bytes are cheap and round trips are not."""

BITS_PER_REGISTER = 16


class Wire(NamedTuple):
    """One physical channel, in seconds.

    Attributes:
        char: time of one character; 0 on TCP.
        silence: least silence between frames; 0 on TCP, and on ASCII lines, where a frame says itself where it ends.
        turnaround: what a unit needs from the end of a request to the start of its reply.
        pause: additional time between a reply and the next request, for units that need it.
        per_byte: characters of one byte of a PDU: 1, or 2 on ASCII lines.
        overhead: characters that the framing adds to a PDU.
    """

    char: float
    silence: float
    turnaround: float
    pause: float = 0.0
    per_byte: int = 1
    overhead: int = RTU_OVERHEAD

    def exchange(self, request: int, reply: int, turnaround: float | None = None) -> float:
        """Expected time of a transaction with PDUs of `request` and `reply` bytes, gaps included."""
        wait = self.turnaround if turnaround is None else turnaround
        return self.airtime(request) + self.airtime(reply) + 2 * self.silence + wait + self.pause

    def airtime(self, pdu: int) -> float:
        """Time that a PDU of `pdu` bytes is on the wire."""
        return (pdu * self.per_byte + self.overhead) * self.char

    def hole(self, turnaround: float | None = None) -> int:
        """Registers that are cheaper to read through than to go round with a second request (gateways.md 2.1).

        About 12 at 9,600 baud, 14 at 19,200 and 51 at 115,200 with RTU, 11 bits a character and 5 ms turnaround.
        """
        if not self.char:
            return TCP_HOLE
        return int(self.exchange(READ_REQUEST, READ_REPLY, turnaround) / (2 * self.per_byte * self.char))


def serial_wire(baud: int, bits: int, turnaround: float, pause: float = 0.0, ascii_frames: bool = False) -> Wire:
    """The wire of a serial line with `bits` bits a character (start, data, parity and stop bits)."""
    char = bits / baud
    if ascii_frames:
        return Wire(char, 0.0, turnaround, pause, 2, ASCII_OVERHEAD)
    return Wire(char, FAST_SILENCE if baud > FAST_BAUD else 3.5 * char, turnaround, pause)


def tcp_wire(turnaround: float, pause: float = 0.0) -> Wire:
    """The wire of a TCP connection: only round trips cost."""
    return Wire(0.0, 0.0, turnaround, pause)

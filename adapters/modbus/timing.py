"""How long things take on the wire: the arithmetic behind holes, timeouts and the capacity check.

Sources: MODBUS over Serial Line V1.02, 2.5.1.1 (a character is 11 bits, or 10 without parity and with one stop bit; frames are
3.5 characters apart, fixed at 1.75 ms above 19,200 baud), MODBUS Application Protocol V1.1b3, 6 (sizes of the PDUs).
"""

from __future__ import annotations

from typing import NamedTuple

RTU_READ_REQUEST = 8
"""Characters of a read request: unit, function, address (2), count (2), CRC (2)."""

RTU_REPLY_OVERHEAD = 5
"""Characters of a read reply beside its data: unit, function, byte count, CRC (2)."""

RTU_PDU_OVERHEAD = 3
"""Characters that RTU adds to a PDU: unit and CRC (2)."""

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
        silence: least silence between frames; 0 on TCP.
        turnaround: what a unit needs from the end of a request to the start of its reply.
        pause: additional time between a reply and the next request, for units that need it.
    """

    char: float
    silence: float
    turnaround: float
    pause: float = 0.0

    def exchange(self, request: int, reply: int) -> float:
        """Expected time of a transaction with PDUs of `request` and `reply` bytes, gaps included."""
        chars = request + reply + 2 * RTU_PDU_OVERHEAD
        return chars * self.char + 2 * self.silence + self.turnaround + self.pause

    def airtime(self, pdu: int) -> float:
        """Time that a PDU of `pdu` bytes is on the wire."""
        return (pdu + RTU_PDU_OVERHEAD) * self.char if self.char else 0.0

    def hole(self) -> int:
        """Registers that are cheaper to read through than to go round with a second request (gateways.md 2.1).

        About 12 at 9,600 baud, 14 at 19,200 and 51 at 115,200 with 11 bits a character and 5 ms turnaround.
        """
        if not self.char:
            return TCP_HOLE
        second_request = (RTU_READ_REQUEST + RTU_REPLY_OVERHEAD) * self.char + 2 * self.silence + self.turnaround + self.pause
        return int(second_request / (2 * self.char))


def serial_wire(baud: int, bits: int, turnaround: float, pause: float = 0.0) -> Wire:
    """The wire of a serial line with `bits` bits a character (start, data, parity and stop bits)."""
    char = bits / baud
    return Wire(char, FAST_SILENCE if baud > FAST_BAUD else 3.5 * char, turnaround, pause)


def tcp_wire(turnaround: float, pause: float = 0.0) -> Wire:
    """The wire of a TCP connection: only round trips cost."""
    return Wire(0.0, 0.0, turnaround, pause)

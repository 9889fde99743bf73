"""How frames lie in the stream of bytes: what the bus needs of it, and which one a channel has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from adapters.modbus.address import framing_name
from adapters.modbus.late import Shape
from adapters.modbus.pdu import Request


class Framing(Protocol):
    """What the bus needs of RTU and of MBAP framing."""

    def begin(self, unit: int, request: Request, now: float) -> bytes:
        """The bytes of a request; its reply is waited for from now on."""
        ...

    def feed(self, data: bytes, now: float) -> bytes | None:
        """Take bytes from the wire; the PDU of the reply that is waited for, as soon as it is complete."""
        ...

    def give_up(self, now: float) -> bytes | None:
        """The time is over: a last look for the reply in what came; otherwise it counts as late from now on."""
        ...

    def late(self, unit: int, now: float) -> dict[Shape, float]:
        """Replies of `unit` that may still come and could be taken for another; empty where frames are numbered."""
        ...


def make_framing(channel: Any, count: Callable[[str, int], None], late_limit: float) -> Framing:
    """The framing of a channel; only that one is loaded.

    Args:
        channel: as in the settings.
        count: counters of what is wrong on the line.
        late_limit: seconds after which a reply to a given-up request cannot come any more.
    """
    name = framing_name(channel)
    if name == "mbap":
        from adapters.modbus.tcp import MbapFraming

        return MbapFraming(count)
    if name == "ascii":
        from adapters.modbus.ascii import AsciiFraming

        return AsciiFraming(count, late_limit, channel.local_echo)
    from adapters.modbus.rtu import RtuFraming

    return RtuFraming(count, late_limit, channel.local_echo)

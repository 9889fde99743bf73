"""The port of the settings, opened; see `rt_edge.sdk.serial_port`."""

from __future__ import annotations

import asyncio
from typing import Any

from adapters.serial.codec import wire_bytes
from rt_edge.sdk.serial_port import CHUNK, Line, Receiver, SerialPort, rs485_of
from rt_edge.sdk.serial_port import open_port as open_line

__all__ = ["CHUNK", "Receiver", "SerialPort", "open_port", "wake"]


def open_port(settings: Any, receiver: Receiver, paused: bool, baud: int | None = None) -> SerialPort:
    """Open the port for this process alone; see `rt_edge.sdk.serial_port.open_port`.

    Args:
        settings: a `SerialSettings`, or an object with its attributes.
        receiver: gets the bytes.
        paused: whether reading begins with `resume`.
        baud: instead of that of the settings.
    """
    line = Line(
        port=settings.port,
        baud=baud or settings.baud,
        data_bits=settings.data_bits,
        parity=settings.parity,
        stop_bits=settings.stop_bits,
        flow_control=settings.flow_control,
        dtr=settings.dtr,
        rts=settings.rts,
        rs485=rs485_of(settings.rs485),
    )
    return open_line(line, receiver, paused)


async def wake(port: SerialPort, settings: Any) -> None:
    """Do what is to be done when a port is opened.

    Args:
        port: not being read.
        settings: a `SerialSettings`, or an object with its attributes.

    Raises:
        TransientError: the port is lost.
        FatalAdapterError: it has no such wire.
    """
    at_open = settings.at_open
    if at_open.dtr_pulse:
        port.set_wire("dtr", not settings.dtr)
        await asyncio.sleep(at_open.dtr_pulse)
        port.set_wire("dtr", settings.dtr)
    if at_open.break_pulse:
        port.set_wire("break", True)
        await asyncio.sleep(at_open.break_pulse)
        port.set_wire("break", False)
    if at_open.wait:
        await asyncio.sleep(at_open.wait)
    port.discard()
    if at_open.send:
        port.write(wire_bytes(at_open.send))
    await port.sent()

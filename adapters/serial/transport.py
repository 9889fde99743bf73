"""The port of the settings, opened; see `rt_edge.sdk.serial_port`."""

from __future__ import annotations

from typing import Any

from rt_edge.sdk.serial_port import CHUNK, Line, Receiver, SerialPort
from rt_edge.sdk.serial_port import open_port as open_line

__all__ = ["CHUNK", "Receiver", "SerialPort", "open_port"]


def open_port(settings: Any, receiver: Receiver, paused: bool) -> SerialPort:
    """Open the port for this process alone; see `rt_edge.sdk.serial_port.open_port`.

    Args:
        settings: a `SerialSettings`, or an object with its attributes.
        receiver: gets the bytes.
        paused: whether reading begins with `resume`.
    """
    line = Line(
        port=settings.port,
        baud=settings.baud,
        data_bits=settings.data_bits,
        parity=settings.parity,
        stop_bits=settings.stop_bits,
        flow_control=settings.flow_control,
        dtr=settings.dtr,
        rts=settings.rts,
        rs485=settings.rs485,
    )
    return open_line(line, receiver, paused)

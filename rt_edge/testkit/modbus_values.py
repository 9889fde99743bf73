"""Registers of Modbus slaves whose values change by themselves."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

from rt_edge.data.clock import Clock

Register = int | Callable[[], int]
"""A value, or what gives the value each time it is read."""


def wave(clock: Clock, low: int = 0, high: int = 1000, period: float = 60.0, phase: float = 0.0) -> Callable[[], int]:
    """A register that swings between `low` and `high` in `period` seconds."""
    middle, half = (low + high) / 2, (high - low) / 2
    return lambda: round(middle + half * math.sin(2 * math.pi * (clock.monotonic() / period + phase))) & 0xFFFF


def counter(start: int = 0) -> Callable[[], int]:
    """A register that counts how often it was read."""
    value = start - 1

    def read() -> int:
        nonlocal value
        value = value + 1 & 0xFFFF
        return value

    return read


def float_registers(clock: Clock, read: Callable[[Clock], float]) -> tuple[Callable[[], int], Callable[[], int]]:
    """Two registers, high word first, that hold `read(clock)` as a float32; both halves are of the moment of the first."""
    held = b"\0\0\0\0"

    def high() -> int:
        nonlocal held
        held = struct.pack(">f", read(clock))
        return int.from_bytes(held[:2], "big")

    return high, lambda: int.from_bytes(held[2:], "big")

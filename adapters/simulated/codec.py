"""What a simulated device says: a pure function of its number and of how often it was read."""

from __future__ import annotations

import math

from rt_edge.sdk import Value

_MODULUS = 2**32


def values(device: int, count: int, seed: int, amplitude: float, slots_per_period: float) -> dict[str, Value]:
    """Fields of reading `count` (0, 1, 2, ...) of device `device` (1, 2, ...).

    `count` lets a reader see that nothing is missing; `temperature` swings around 20 with a little noise; `running` changes
    every tenth reading.
    """
    noise = ((device * 2_654_435_761 + count * 40_503 + seed * 2_246_822_519) % _MODULUS) / _MODULUS - 0.5
    swing = amplitude * math.sin(2 * math.pi * count / slots_per_period + device)
    return {"count": count, "temperature": round(20.0 + swing + noise, 3), "running": count // 10 % 2 == 0}

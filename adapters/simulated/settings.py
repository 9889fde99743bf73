"""Settings of the simulated adapter."""

from __future__ import annotations

from rt_edge.sdk.settings import DurationField, Field, Name, Settings


class SimulatedPoint(Settings):
    """A value of each device that can be read and, if it is writable, commanded."""

    initial: bool | int | float | str = 0
    """What it holds at the start; says also whether it is a bool, a number or a text."""

    writable: bool = True
    """Whether `rt-edge write` and commands may set it."""

    min: float | None = None
    """Least number that a command may write."""

    max: float | None = None
    """Greatest number that a command may write."""

    allowed: tuple[bool | int | float | str, ...] = ()
    """The only values that a command may write, if any are given."""

    unit: str = Field(default="", max_length=32)
    """Unit of measure, for people."""


class SimulatedSettings(Settings):
    """Devices that count and swing."""

    devices: int = Field(default=1, ge=1, le=10_000)
    """How many devices there are; they are called `device-1`, `device-2`, ..."""

    every: DurationField = Field(default=1.0, ge=0, le=86_400)
    """How often each device is read; `0s` reads as fast as the stream asks."""

    seed: int = Field(default=1)
    """Decides the noise; the same seed gives the same values."""

    amplitude_celsius: float = Field(default=10.0)
    """Half the swing of `temperature` around 20 °C."""

    period: DurationField = Field(default=60.0, gt=0)
    """Time of one swing of `temperature`."""

    points: dict[Name, SimulatedPoint] = {}
    """Name -> a value that commands can set; each device has its own, and it is a field of its readings."""

    write_takes: DurationField = Field(default=0.0, ge=0, le=3600)
    """How long a device needs to carry out a command."""

"""Settings of the simulated adapter."""

from __future__ import annotations

from rt_edge.sdk.settings import DurationField, Field, Settings


class SimulatedSettings(Settings):
    """Devices that count and swing."""

    devices: int = Field(default=1, ge=1, le=10_000)
    """How many devices there are; they are called `device-1`, `device-2`, ..."""

    every: DurationField = Field(default=1.0, ge=0, le=86_400)
    """How often each device is read; `0s` reads as fast as the stream asks."""

    seed: int = Field(default=1)
    """Decides the noise; the same seed gives the same values."""

    amplitude: float = Field(default=10.0)
    """Half the swing of `temperature` around 20."""

    period: DurationField = Field(default=60.0, gt=0)
    """Time of one swing of `temperature`."""

"""What `rt-edge scan ble` can be told."""

from __future__ import annotations

from rt_edge.sdk import Duration
from rt_edge.sdk.settings import DurationField, Field, Settings


class BleScan(Settings):
    """Listening to what is in the air. It is an active scan: devices are asked for their scan response."""

    target: str = Field(default="hci0", pattern=r"^hci[0-9]{1,3}$")
    """The controller."""
    duration: DurationField = Field(default=Duration(10.0), gt=0, le=3600)
    """How long it listens. Many sensors speak every 10 seconds or less often."""
    rssi_min_dbm: int = Field(default=-127, ge=-127, le=20)
    """Only devices as strong as this, or stronger."""
    max_devices: int = Field(default=1000, ge=1, le=100_000)
    """Most devices that are listed."""

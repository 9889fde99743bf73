"""What `rt-edge scan serial` can be told."""

from __future__ import annotations

from rt_edge.sdk.settings import Field, Settings


class SerialScan(Settings):
    """Looking for serial ports."""

    target: str = Field(default="/dev/serial/by-id", min_length=1)
    """Folder with one link a port, named for what is plugged in."""
    all: bool = False
    """Also ports that have no such link: those of the board, and pseudo-terminals are not among them."""

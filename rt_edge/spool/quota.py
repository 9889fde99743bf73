"""How much a spool may keep: a decision without I/O, with hysteresis."""

from __future__ import annotations

from typing import Literal

from rt_edge.data.errors import ConfigError
from rt_edge.data.record import MAX_RECORD
from rt_edge.data.units import show_size

WhenFull = Literal["block", "drop_oldest"]
MIN_QUOTA = 2 * MAX_RECORD
"""Smaller quotas could not hold the largest record beside another."""


class Quota:
    """Decides whether a batch fits, and when there is room again after it did not.

    Args:
        max_bytes: charged bytes at most.
        floor: bytes of the file system that are left to others.

    Raises:
        ConfigError: `max_bytes` is below `MIN_QUOTA`.
    """

    def __init__(self, max_bytes: int, floor: int) -> None:
        if max_bytes < MIN_QUOTA:
            raise ConfigError(f"a spool of {show_size(max_bytes)} is too small", f"give it at least {show_size(MIN_QUOTA)}")
        self.max_bytes = max_bytes
        self.floor = floor
        self.step = min(4_000_000, max_bytes // 8)
        """Confirmed rows are deleted in steps of this many bytes."""
        self.wanted = 0
        """Bytes of the batch that was refused; 0: not full."""
        self.disk = ""
        """What is wrong with the disk, if that is why it was refused."""

    def over(self, used: int, need: int) -> int:
        """Bytes by which the quota would be exceeded; 0 or less: it fits."""
        return used + need - self.max_bytes

    def below_floor(self, free: int, reusable: int, need: int) -> bool:
        """Whether writing `need` bytes would eat into the floor.

        Args:
            free: bytes free on the file system, without those that stand for a reserve given up.
            reusable: bytes free inside the file.
            need: bytes to be written.
        """
        return need > reusable and free - (need - reusable) < self.floor

    def refuse(self, need: int, disk: str = "") -> None:
        """Remember that a batch of `need` bytes did not fit, and what is wrong with the disk, if that is why."""
        self.wanted = max(self.wanted, need, 1)
        self.disk = disk

    def room_again(self, used: int, free: int, reusable: int) -> bool:
        """Whether the refused batch would fit with an eighth of the quota to spare."""
        slack = max(self.wanted, self.max_bytes // 8)
        return self.over(used, slack) <= 0 and not self.below_floor(free, reusable, self.wanted)

"""Resizer: how many routees a pool should have, by the pressure on them."""

from __future__ import annotations

from math import ceil, floor

import msgspec

from rt_edge.data.errors import ConfigError


class Resizer(msgspec.Struct, frozen=True, kw_only=True):
    """Grows a pool whose routees are all busy, and shrinks one in which few are. A value: the same numbers in, the same out.

    Attributes:
        least: routees at least.
        most: routees at most.
        grow_above: a share of busy routees, 0 to 1: the pool grows at or above it, if work waits or not.
        grow_by: by this share of its size, at least by one.
        shrink_below: the pool shrinks below this share of busy routees, if no work waits.
        shrink_by: by this share of its size, at least by one.
        every: seconds between two looks.

    Raises:
        ConfigError: bounds or shares that make no sense.
    """

    least: int = 1
    most: int = 10
    grow_above: float = 1.0
    grow_by: float = 0.2
    shrink_below: float = 0.3
    shrink_by: float = 0.1
    every: float = 1.0

    def __post_init__(self) -> None:
        """Refuse bounds or shares that make no sense."""
        if not 1 <= self.least <= self.most:
            raise ConfigError(f"least is {self.least} and most {self.most}: it takes 1 <= least <= most")
        if not 0 <= self.shrink_below < self.grow_above <= 1:
            raise ConfigError("shrink_below has to be at least 0 and less than grow_above, and that at most 1")
        if not (self.grow_by > 0 and self.shrink_by > 0 and self.every > 0):
            raise ConfigError("grow_by, shrink_by and every have to be more than 0")

    def size(self, size: int, busy: int, waiting: int = 0) -> int:
        """The size that a pool of `size` should have, of which `busy` have all they can take while `waiting` messages wait."""
        pressure = busy / size if size else 1.0
        if pressure >= self.grow_above or (waiting and busy >= size):
            size += max(1, ceil(size * self.grow_by))
        elif pressure < self.shrink_below and not waiting:
            size -= max(1, floor(size * self.shrink_by))
        return min(self.most, max(self.least, size))

"""Demand: how many elements a subscriber has asked for and not received (rules 1.1, 3.8, 3.9, 3.17).

Python's integers do not overflow, so demand is capped by hand: at 2^63-1 and above it is unbounded and no longer counted down.
"""

from __future__ import annotations

UNBOUNDED = 2**63 - 1
"""Demand at or above this counts as unbounded (rule 3.17)."""


def check_demand(n: object) -> int:
    """`n`, capped at UNBOUNDED, if it can be requested.

    Raises:
        ValueError: it is not an integer (bool, float and str are none), or not positive. The text names rule 3.9; it is the
            error that the subscriber gets by `on_error`.
    """
    if not isinstance(n, int) or isinstance(n, bool):
        raise ValueError(f"rule 3.9: non-positive subscription request: {n!r} is not a positive integer")
    if n <= 0:
        raise ValueError(f"rule 3.9: non-positive subscription request: {n}")
    return min(UNBOUNDED, n)


def add_demand(open_demand: int, n: int) -> int:
    """The sum, capped at UNBOUNDED (rules 3.8, 3.17)."""
    total = open_demand + n
    return min(UNBOUNDED, total)


def subtract_demand(open_demand: int, n: int) -> int:
    """What is left after `n` elements were sent; unbounded stays unbounded.

    Raises:
        ValueError: more was sent than asked for (rule 1.1).
    """
    if open_demand >= UNBOUNDED:
        return UNBOUNDED
    if n > open_demand:
        raise ValueError(f"rule 1.1: {n} elements were sent where {open_demand} were asked for")
    return open_demand - n


class Demand:
    """Open demand as an object, for publishers that are written by hand. Not thread-safe: one owner.

    Attributes:
        open: elements asked for and not sent, 0 to UNBOUNDED.
    """

    __slots__ = ("open",)

    def __init__(self) -> None:
        self.open = 0

    def __bool__(self) -> bool:
        return self.open > 0

    def __repr__(self) -> str:
        return f"Demand({'unbounded' if self.is_unbounded else self.open})"

    @property
    def is_unbounded(self) -> bool:
        """Whether it is no longer counted."""
        return self.open >= UNBOUNDED

    def add(self, n: object) -> None:
        """The subscriber asks for `n` more.

        Raises:
            ValueError: rule 3.9, as `check_demand`.
        """
        self.open = add_demand(self.open, check_demand(n))

    def take(self, n: int = 1) -> None:
        """`n` elements are sent.

        Raises:
            ValueError: more than were asked for.
        """
        self.open = subtract_demand(self.open, n)

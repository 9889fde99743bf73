"""Replies that may still come: to requests that were given up. Framings without transaction numbers need it (RTU, ASCII)."""

from __future__ import annotations

from typing import NamedTuple

from adapters.modbus.pdu import MAX_REGISTERS

LATE_SHAPES = 16
"""Given-up requests remembered of one unit; with more, the unit is left alone until one expires."""


class Shape(NamedTuple):
    """All that tells one reply from another on the wire."""

    function: int
    length: int


class Ledger:
    """Requests that were given up and may still be answered, for each unit.

    Args:
        limit: seconds after which a reply cannot come any more.
    """

    __slots__ = ("_late", "_limit")

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._late: dict[int, dict[Shape, float]] = {}

    def __bool__(self) -> bool:
        return bool(self._late)

    def add(self, unit: int, shape: Shape, now: float) -> None:
        """`unit` was asked and has not answered in time."""
        self._late.setdefault(unit, {})[shape] = now + self._limit

    def of(self, unit: int, now: float) -> dict[Shape, float]:
        """What `unit` may still answer, with the time at which that ends."""
        late = self._late.get(unit)
        if late is None:
            return {}
        for shape in [shape for shape, end in late.items() if end <= now]:
            del late[shape]
        if not late:
            del self._late[unit]
        return late

    def synced(self, unit: int) -> None:
        """`unit` answered something newer: it answers in order, so nothing older will come."""
        self._late.pop(unit, None)

    def seen(self, unit: int, shape: Shape) -> None:
        """The late reply came: it and what is older is done with. One that nobody waits for (a second copy) says nothing."""
        late = self._late.get(unit, {})
        if shape not in late:
            return
        for older in list(late):
            del late[older]
            if older == shape:
                break
        if not late:
            self._late.pop(unit, None)

    def headers(self) -> dict[tuple[int, int], list[int]]:
        """(unit, function) -> lengths of the PDUs that may still come."""
        found: dict[tuple[int, int], list[int]] = {}
        for unit, late in self._late.items():
            for shape in late:
                found.setdefault((unit, shape.function), []).append(shape.length)
        return found


def other_shape(blocks: list[tuple[int, int, int]], late: dict[Shape, float]) -> tuple[int, int, int] | None:
    """A read whose reply cannot be taken for one in `late`: (function, address, count), or None if there is none.

    Args:
        blocks: (function, address, count) of what this unit is asked anyway, so what it is known to serve.
        late: replies of the unit that may still come.
    """
    functions = {shape.function for shape in late}
    for function, address, _ in blocks:
        if function not in functions:
            return function, address, 1
    for function, address, count in blocks:
        per_byte = 8 if function < 3 else 1
        for n in range(1, count + 1, per_byte):
            length = 2 + (n + 7) // 8 if function < 3 else 2 + 2 * n
            if Shape(function, length) not in late:
                return function, address, n
    for function in (3, 4, 1, 2):  # even "illegal function" is an answer that proves the order
        if function not in functions:
            return function, blocks[0][1], 1
    function, address, count = blocks[0]
    for n in range(count + 1, count + LATE_SHAPES):
        if function > 2 and n <= MAX_REGISTERS and Shape(function, 2 + 2 * n) not in late:
            return function, address, n
    return None

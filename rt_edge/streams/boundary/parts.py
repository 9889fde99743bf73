"""Parts of a signal: what travels of an origin with elements of it."""

from __future__ import annotations

from rt_edge.data.receipt import Marks, Origin, number_of
from rt_edge.protocol.signals import Part
from rt_edge.streams.boundary.post import pack_marks


def part_of(origin: Origin | None, marks: Marks | None) -> Part:
    """An origin, these marks of it, and what it knows of them; no name where there is no origin."""
    packed = None if marks is None else pack_marks(marks)
    if origin is None or marks is None:
        return Part("", "", "", 0, packed)
    keys: list[tuple[int, bytes]] = []
    redelivered: list[int] = []
    again: list[int] = []
    if origin.keys or origin.again:
        numbers = dict.fromkeys(map(number_of, marks))
        if origin.keys:
            keys = [(n, origin.keys[n]) for n in numbers if n in origin.keys]
            redelivered = [n for n in numbers if n in origin.redelivered]
        if origin.again:
            again = [n for n in numbers if n in origin.again]
    floor = origin.floor
    return Part(origin.name, origin.incarnation, origin.session, floor, packed, keys, redelivered, origin.lap, again)

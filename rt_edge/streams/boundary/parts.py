"""Parts of a signal: what travels of an origin with elements of it, and what of that is refused when it comes in."""

from __future__ import annotations

from typing import Any

from rt_edge.data.errors import CodecError
from rt_edge.data.receipt import Marks, Origin, number_of
from rt_edge.protocol.signals import OnNext, Part
from rt_edge.streams.boundary.post import pack_marks, unpack_marks, unpack_places


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


def marks_of(signal: OnNext | Part) -> Marks:
    """The marks that it names.

    Raises:
        CodecError: they are none.
    """
    try:
        marks = unpack_marks(signal.marks)
        len(marks)  # a range may be too long to have a length
    except (TypeError, ValueError, KeyError, OverflowError, RecursionError) as error:
        raise CodecError(f"a signal names marks that are none: {error}") from error
    return marks


def shares_of(signal: OnNext) -> list[Marks]:
    """The marks of each of its parts.

    Raises:
        CodecError: they are none, or `order` names parts that are not there, or not as often as they have marks.
    """
    shares = [marks_of(part) for part in signal.parts]
    order = signal.order
    if len(order) != sum(map(len, shares)) or any(order.count(index) != len(marks) for index, marks in enumerate(shares)):
        raise CodecError(
            f"a signal of {len(order)} elements has {len(shares)} parts with {[len(marks) for marks in shares]} marks"
        )
    return shares


def places_of(packed: Any, n: int) -> range | list[int]:
    """Which of the `n` elements of a chunk an outcome is for.

    Raises:
        CodecError: it names places that are none.
    """
    try:
        places = unpack_places(packed)
        if isinstance(places, range):
            return range(max(0, places.start), min(n, places.stop))
        if not set(map(type, places)) <= {int} or (places and (min(places) < 0 or max(places) >= n)):
            raise CodecError(f"an outcome is for places that a chunk of {n} elements has not")
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise CodecError(f"an outcome is for places that are none: {error}") from error
    return places

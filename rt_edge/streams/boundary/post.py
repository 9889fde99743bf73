"""Post: how the ends of wires between islands reach each other; an actor's outbox in a node, a faulty network in tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from rt_edge.data.codec import decode_readings, encode_readings
from rt_edge.data.receipt import Marks
from rt_edge.protocol.signals import AnySignal

RESEND_S = 1.0
"""What was not answered is sent again after this."""


class Post(Protocol):
    """Carries signals; may lose, repeat and reorder them."""

    def send(self, signal: AnySignal) -> None:
        """Send to the other end of `signal.wire`."""
        ...

    def register(self, wire: str, receive: Callable[[AnySignal], None]) -> None:
        """Call `receive`, in the island's thread and outside a turn, for every signal that arrives for this end of `wire`."""
        ...


class Codec(Protocol):
    """Elements of a wire as bytes."""

    def encode(self, items: Sequence[Any]) -> bytes:
        """The payload of a chunk; TypeError, ValueError, OverflowError or RecursionError for what cannot leave."""
        ...

    def decode(self, payload: bytes) -> list[Any]:
        """The elements of a payload; CodecError for what is none."""
        ...


class _Readings:
    """Elements are Readings: the codec of all wires that say nothing else."""

    def encode(self, items: Sequence[Any]) -> bytes:
        return encode_readings(items)

    def decode(self, payload: bytes) -> list[Any]:
        return decode_readings(payload)


READINGS: Codec = _Readings()


def pack_marks(marks: Marks) -> Any:
    """Marks as they travel: [first, count] under key None-free lists, or {"m": [...]} of marks."""
    if isinstance(marks, range):
        return (marks.start, len(marks))
    return {"m": list(marks)}


def unpack_marks(packed: Any) -> Marks:
    """The reverse of `pack_marks`."""
    if isinstance(packed, dict):
        return [_tuples(mark) for mark in packed["m"]]
    first, count = packed
    return range(first, first + count)


def _tuples(mark: Any) -> Any:
    if mark.__class__ is int:
        return mark
    parent, index = mark
    if index.__class__ is not int:
        raise TypeError(f"{index!r} is no place of an element among those that were made of one")
    return _tuples(parent), index


def pack_places(places: list[int]) -> Any:
    """Ascending places in a chunk: (first, last) if they are a run, else the list under a dict."""
    if places[-1] - places[0] == len(places) - 1:
        return (places[0], places[-1])
    return {"p": places}


def unpack_places(packed: Any) -> range | list[int]:
    """The reverse of `pack_places`."""
    if isinstance(packed, dict):
        return list(packed["p"])
    return range(packed[0], packed[1] + 1)

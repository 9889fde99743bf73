"""MQTT 5 properties, as far as the adapter reads them (MQTT 5, 2.2.2): cut into pieces, one value taken out."""

from __future__ import annotations

_SIZES = {0x01: 1, 0x17: 1, 0x19: 1, 0x24: 1, 0x25: 1, 0x28: 1, 0x29: 1, 0x2A: 1, 0x13: 2, 0x21: 2, 0x22: 2, 0x23: 2}
_SIZES |= {0x02: 4, 0x11: 4, 0x18: 4, 0x27: 4}
_TEXTS = frozenset({0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1A, 0x1C, 0x1F})
_PAIR = 0x26
_SUBSCRIPTION = 0x0B


class PropertyError(ValueError):
    """The bytes are not properties."""


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The variable byte integer at `at` and the place behind it (MQTT 5, 1.5.5).

    Raises:
        IndexError: it is cut off.
        PropertyError: longer than four bytes.
    """
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 21:
            raise PropertyError("a variable byte integer is longer than four bytes")


def split_properties(data: bytes) -> list[tuple[int, bytes]]:
    """(identifier, raw bytes with the identifier) of each property, in order.

    Raises:
        PropertyError: an unknown identifier, or cut off.
    """
    pieces = []
    at, end = 0, len(data)
    try:
        while at < end:
            identifier, start = data[at], at
            at += 1
            if identifier in _SIZES:
                at += _SIZES[identifier]
            elif identifier in _TEXTS:
                at += 2 + int.from_bytes(data[at : at + 2], "big")
            elif identifier == _PAIR:
                at += 2 + int.from_bytes(data[at : at + 2], "big")
                at += 2 + int.from_bytes(data[at : at + 2], "big")
            elif identifier == _SUBSCRIPTION:
                _, at = read_varint(data, at)
            else:
                raise PropertyError(f"unknown property 0x{identifier:02x} at byte {start}")
            if at > end:
                raise PropertyError(f"property 0x{identifier:02x} at byte {start} is cut off")
            pieces.append((identifier, data[start:at]))
    except IndexError:
        raise PropertyError("properties are cut off") from None
    return pieces


def subscription_identifiers(data: bytes) -> list[int]:
    """The Subscription Identifiers of a PUBLISH; empty where there are none or the bytes make no sense."""
    try:
        return [read_varint(raw, 1)[0] for identifier, raw in split_properties(data) if identifier == _SUBSCRIPTION]
    except PropertyError:
        return []

"""MQTT 5 properties, as far as the adapter reads and writes them (MQTT 5, 2.2.2)."""

from __future__ import annotations

import msgspec

_SIZES = {0x01: 1, 0x17: 1, 0x19: 1, 0x24: 1, 0x25: 1, 0x28: 1, 0x29: 1, 0x2A: 1, 0x13: 2, 0x21: 2, 0x22: 2, 0x23: 2}
_SIZES |= {0x02: 4, 0x11: 4, 0x18: 4, 0x27: 4}
_TEXTS = frozenset({0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1A, 0x1C, 0x1F})
_PAIR = 0x26
_SUBSCRIPTION = 0x0B

FORMAT, EXPIRY, CONTENT_TYPE, RESPONSE_TOPIC, CORRELATION = 0x01, 0x02, 0x03, 0x08, 0x09
WILL_DELAY, TOPIC_ALIAS = 0x18, 0x23

PROPERTY_TAGS = ("content_type", "response_topic", "correlation", "expiry_s")
"""What a tag may be taken from, beside `user.NAME`."""


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


class Told(msgspec.Struct):
    """What the properties of a PUBLISH say, as far as it is used.

    Attributes:
        expiry_s: seconds the message lives on, as the broker counted down; None: for ever.
        content_type, response_topic: empty: none.
        correlation: what an answer repeats; None: nothing.
        user: name -> value; of a name that stands twice the last one.
    """

    expiry_s: int | None = None
    content_type: str = ""
    response_topic: str = ""
    correlation: bytes | None = None
    user: dict[str, str] = {}


def told_by(data: bytes) -> Told:
    """The values of properties.

    Raises:
        PropertyError: the bytes are not properties.
    """
    told = Told(user={})
    for identifier, raw in split_properties(data):
        if identifier == EXPIRY:
            told.expiry_s = int.from_bytes(raw[1:], "big")
        elif identifier == CONTENT_TYPE:
            told.content_type = raw[3:].decode("utf-8", "replace")
        elif identifier == RESPONSE_TOPIC:
            told.response_topic = raw[3:].decode("utf-8", "replace")
        elif identifier == CORRELATION:
            told.correlation = raw[3:]
        elif identifier == _PAIR:
            size = int.from_bytes(raw[1:3], "big")
            told.user[raw[3 : 3 + size].decode("utf-8", "replace")] = raw[5 + size :].decode("utf-8", "replace")
    return told


def number_of(data: bytes, wanted: int) -> int | None:
    """The number in the property `wanted` (one of fixed width); None where it is missing.

    Raises:
        PropertyError: the bytes are not properties.
    """
    if wanted not in data:
        return None  # not even a byte of it: nothing to cut
    for identifier, raw in split_properties(data):
        if identifier == wanted:
            return int.from_bytes(raw[1:], "big")
    return None


def two_bytes(identifier: int, value: int) -> bytes:
    """A property of a two byte integer."""
    return bytes((identifier, value >> 8, value & 255))


def four_bytes(identifier: int, value: int) -> bytes:
    """A property of a four byte integer."""
    return bytes((identifier,)) + value.to_bytes(4, "big")


def binary(identifier: int, value: bytes | str) -> bytes:
    """A property of bytes or text, cut to the 65,535 bytes that it can have."""
    return bytes((identifier,)) + _sized(value)


def user_property(name: str, value: str) -> bytes:
    """A User Property; name and value are cut to 65,535 bytes."""
    return bytes((_PAIR,)) + _sized(name) + _sized(value)


def _sized(value: bytes | str) -> bytes:
    if isinstance(value, str):
        raw = value.replace("\0", "").encode("utf-8", "replace")  # NUL and surrogates are not allowed (MQTT 5, 1.5.4)
        value = raw if len(raw) < 65_536 else raw[:65_535].decode("utf-8", "ignore").encode()
    value = value[:65_535]
    return len(value).to_bytes(2, "big") + value


def write_varint(value: int) -> bytes:
    """A variable byte integer (MQTT 5, 1.5.5)."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)

"""Redelivery keys (design 7): packet identifier, digest of what was received, place of the Reading in the payload.

A redelivery has DUP set, the same identifier and the same digest. The identifier alone would lose data, since a broker uses it
again for other messages. Properties that a broker may change between two deliveries of one message are left out of the digest:
Message Expiry Interval (counted down, MQTT 5 3.3.2.3.3), Topic Alias and Subscription Identifier.
"""

from __future__ import annotations

import struct
from hashlib import blake2b

from adapters.mqtt.properties import PropertyError, split_properties
from adapters.mqtt.seam import Message

CHANGEABLE = frozenset({0x02, 0x0B, 0x23})
_LENGTHS = struct.Struct("!II")
_PLACE = tuple(bytes((place,)) for place in range(256))
PLACES = 65536
"""Most Readings of one payload: the place has two bytes."""


def key_stem(message: Message) -> bytes:
    """Identifier (2 bytes, big endian) and digest (8 bytes) of a message with a payload."""
    topic, payload = message.topic.encode("utf-8", "surrogatepass"), message.payload or b""
    stable = _stable(message.properties) if message.properties else b""
    digest = blake2b(_LENGTHS.pack(len(topic), len(payload)) + topic + payload + stable, digest_size=8)
    return message.mid.to_bytes(2, "big") + digest.digest()


def reading_key(stem: bytes, place: int) -> bytes:
    """Key of the Reading at `place` in its payload: one byte of place up to 255, two beyond."""
    return stem + (_PLACE[place] if place < 256 else place.to_bytes(2, "big"))


def _stable(properties: bytes) -> bytes:
    try:
        return b"".join(raw for identifier, raw in split_properties(properties) if identifier not in CHANGEABLE)
    except PropertyError:
        return properties

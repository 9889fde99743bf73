"""MQTT packets, v5 and v3.1.1, both directions: plain functions between bytes and values. No I/O.

Section numbers are of the MQTT 5 specification; v3.1.1 differs by having no properties and fewer codes.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 1, 2, 3, 4, 5, 6, 7
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT = 8, 9, 10, 11, 12, 13, 14

SESSION_EXPIRY, ASSIGNED_ID, SERVER_KEEPALIVE, REASON = 0x11, 0x12, 0x13, 0x1F
RECEIVE_MAXIMUM, MAXIMUM_PACKET, SUBSCRIPTION_ID, WILL_DELAY = 0x21, 0x27, 0x0B, 0x18
MESSAGE_EXPIRY = 0x02

_WIDTHS = dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), 1)
_WIDTHS |= dict.fromkeys((0x13, 0x21, 0x22, 0x23), 2) | dict.fromkeys((0x02, 0x11, 0x18, 0x27), 4)
_TEXTS = frozenset({0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1A, 0x1C, 0x1F})

Properties = dict[int, Any]
"""Property identifier -> int, bytes, or a list of ints (0x0B) or of byte pairs (0x26)."""


class Malformed(ValueError):
    """The bytes are not the packet they should be."""


class Publish(msgspec.Struct, frozen=True):
    """A PUBLISH (3.3)."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    dup: bool = False
    mid: int = 0
    properties: Properties = {}


class Connect(msgspec.Struct, frozen=True):
    """A CONNECT (3.1)."""

    client_id: str
    version: int = 5
    clean: bool = True
    keepalive: int = 0
    username: str | None = None
    password: bytes | None = None
    will: Publish | None = None
    properties: Properties = {}


class Wanted(msgspec.Struct, frozen=True):
    """One filter of a SUBSCRIBE with its options (3.8.3.1)."""

    filter: str
    qos: int = 0
    retain_as_published: bool = False
    retain_handling: int = 0


class Cursor:
    """Reads values off the front of a packet's body."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, n: int) -> bytes:
        """`n` bytes."""
        end = self.at + n
        if end > len(self.data):
            raise Malformed(f"cut off at byte {len(self.data)}")
        taken, self.at = self.data[self.at : end], end
        return taken

    def number(self, width: int) -> int:
        """An unsigned number of `width` bytes."""
        return int.from_bytes(self.take(width), "big")

    def varint(self) -> int:
        """A variable byte integer (1.5.5)."""
        value = 0
        for shift in (0, 7, 14, 21):
            byte = self.number(1)
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise Malformed("a variable byte integer is longer than four bytes")

    def binary(self) -> bytes:
        """Bytes with their length in two."""
        return self.take(self.number(2))

    def text(self) -> str:
        """A UTF-8 string (1.5.4)."""
        try:
            return self.binary().decode()
        except UnicodeDecodeError:
            raise Malformed("a string that is not UTF-8") from None

    def rest(self) -> bytes:
        """What is left."""
        return self.take(len(self.data) - self.at)

    def properties(self) -> Properties:
        """Properties with their length (2.2.2)."""
        inner = Cursor(self.take(self.varint()))
        found: Properties = {}
        while inner.at < len(inner.data):
            identifier = inner.varint()
            if identifier in _WIDTHS:
                found[identifier] = inner.number(_WIDTHS[identifier])
            elif identifier in _TEXTS:
                found[identifier] = inner.binary()
            elif identifier == SUBSCRIPTION_ID:
                found.setdefault(identifier, []).append(inner.varint())
            elif identifier == 0x26:
                found.setdefault(identifier, []).append((inner.binary(), inner.binary()))
            else:
                raise Malformed(f"unknown property 0x{identifier:02x}")
        return found


def varint(value: int) -> bytes:
    """A variable byte integer."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def binary(data: bytes | str) -> bytes:
    """Bytes or text with the length in two bytes."""
    data = data.encode() if isinstance(data, str) else data
    return len(data).to_bytes(2, "big") + data


def packed(properties: Properties) -> bytes:
    """Properties with their length."""
    out = b""
    for identifier, value in properties.items():
        for one in value if isinstance(value, list) else [value]:
            out += bytes((identifier,))
            if identifier in _WIDTHS:
                out += int(one).to_bytes(_WIDTHS[identifier], "big")
            elif identifier == SUBSCRIPTION_ID:
                out += varint(one)
            elif isinstance(one, tuple):
                out += binary(one[0]) + binary(one[1])
            else:
                out += binary(one)
    return varint(len(out)) + out


def frame(kind: int, body: bytes, flags: int = 0) -> bytes:
    """A whole packet."""
    return bytes((kind << 4 | flags,)) + varint(len(body)) + body


async def read_packet(reader: asyncio.StreamReader, most: int) -> tuple[int, int, bytes]:
    """(kind, flags, body) of the next packet.

    Raises:
        asyncio.IncompleteReadError: the stream ended.
        Malformed: more than `most` bytes, or a length of more than four bytes.
    """
    first = (await reader.readexactly(1))[0]
    length = 0
    for shift in (0, 7, 14, 21):
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 127) << shift
        if byte < 128:
            break
    else:
        raise Malformed("a remaining length of more than four bytes")
    if length > most:
        raise Malformed(f"a packet of {length} bytes, more than {most}")
    return first >> 4, first & 15, await reader.readexactly(length)


def encode_publish(publish: Publish, v5: bool) -> bytes:
    """A PUBLISH."""
    body = binary(publish.topic) + (publish.mid.to_bytes(2, "big") if publish.qos else b"")
    body += (packed(publish.properties) if v5 else b"") + publish.payload
    return frame(PUBLISH, body, publish.dup << 3 | publish.qos << 1 | publish.retain)


def decode_publish(flags: int, body: bytes, v5: bool) -> Publish:
    """A PUBLISH."""
    cursor = Cursor(body)
    topic, qos = cursor.text(), flags >> 1 & 3
    mid = cursor.number(2) if qos else 0
    properties = cursor.properties() if v5 else {}
    if qos == 3 or not topic or "+" in topic or "#" in topic or (qos and not mid):
        raise Malformed("a PUBLISH with QoS 3, without a topic or identifier, or with a wildcard")
    return Publish(topic, cursor.rest(), qos, bool(flags & 1), bool(flags & 8), mid, properties)


def encode_connect(connect: Connect) -> bytes:
    """A CONNECT."""
    v5, will = connect.version == 5, connect.will
    flags = (connect.clean << 1) | (connect.username is not None) << 7 | (connect.password is not None) << 6
    tail = b""
    if will is not None:
        flags |= 4 | will.qos << 3 | will.retain << 5
        tail = (packed(will.properties) if v5 else b"") + binary(will.topic) + binary(will.payload)
    body = binary("MQTT") + bytes((connect.version, flags)) + connect.keepalive.to_bytes(2, "big")
    body += (packed(connect.properties) if v5 else b"") + binary(connect.client_id) + tail
    body += b"".join(binary(part) for part in (connect.username, connect.password) if part is not None)
    return frame(CONNECT, body)


def decode_connect(body: bytes) -> Connect:
    """A CONNECT; versions other than 4 and 5 are given back as they are, with nothing behind them."""
    cursor = Cursor(body)
    name, version = cursor.text(), cursor.number(1)
    if name != "MQTT" or version not in (4, 5):
        return Connect("", version if name == "MQTT" else 3)
    flags, keepalive = cursor.number(1), cursor.number(2)
    v5 = version == 5
    properties = cursor.properties() if v5 else {}
    client_id = cursor.text()
    will = None
    if flags & 4:
        about = cursor.properties() if v5 else {}
        will = Publish(cursor.text(), cursor.binary(), flags >> 3 & 3, bool(flags & 32), properties=about)
    username = cursor.text() if flags & 128 else None
    password = cursor.binary() if flags & 64 else None
    return Connect(client_id, version, bool(flags & 2), keepalive, username, password, will, properties)


def encode_connack(present: bool, code: int, v5: bool, properties: Properties | None = None) -> bytes:
    """A CONNACK."""
    return frame(CONNACK, bytes((present, code)) + (packed(properties or {}) if v5 else b""))


def encode_ack(kind: int, mid: int, code: int = 0, v5: bool = True) -> bytes:
    """PUBACK, PUBREC, PUBREL or PUBCOMP."""
    body = mid.to_bytes(2, "big") + (bytes((code,)) if v5 and code else b"")
    return frame(kind, body, 2 if kind == PUBREL else 0)


def decode_ack(body: bytes) -> tuple[int, int]:
    """(identifier, reason code) of PUBACK, PUBREC, PUBREL or PUBCOMP."""
    cursor = Cursor(body)
    return cursor.number(2), cursor.number(1) if len(body) > 2 else 0


def encode_subscribe(mid: int, wanted: list[Wanted], v5: bool, identifier: int = 0) -> bytes:
    """A SUBSCRIBE."""
    body = mid.to_bytes(2, "big") + (packed({SUBSCRIPTION_ID: [identifier]} if identifier else {}) if v5 else b"")
    for one in wanted:
        options = one.qos | (one.retain_as_published << 3 | one.retain_handling << 4 if v5 else 0)
        body += binary(one.filter) + bytes((options,))
    return frame(SUBSCRIBE, body, 2)


def decode_subscribe(body: bytes, v5: bool) -> tuple[int, list[Wanted], int]:
    """(identifier of the packet, filters, subscription identifier or 0)."""
    cursor = Cursor(body)
    mid = cursor.number(2)
    identifier = cursor.properties().get(SUBSCRIPTION_ID, [0])[0] if v5 else 0
    wanted = []
    while cursor.at < len(body):
        filter_, options = cursor.text(), cursor.number(1)
        wanted.append(Wanted(filter_, options & 3, bool(options & 8), options >> 4 & 3))
    return mid, wanted, identifier


def encode_unsubscribe(mid: int, filters: list[str], v5: bool) -> bytes:
    """An UNSUBSCRIBE."""
    return frame(UNSUBSCRIBE, mid.to_bytes(2, "big") + (b"\0" if v5 else b"") + b"".join(map(binary, filters)), 2)


def decode_unsubscribe(body: bytes, v5: bool) -> tuple[int, list[str]]:
    """(identifier of the packet, filters)."""
    cursor = Cursor(body)
    mid = cursor.number(2)
    if v5:
        cursor.properties()
    filters = []
    while cursor.at < len(body):
        filters.append(cursor.text())
    return mid, filters


def encode_codes(kind: int, mid: int, codes: list[int], v5: bool) -> bytes:
    """A SUBACK or an UNSUBACK (which has no codes at v3.1.1)."""
    body = mid.to_bytes(2, "big") + (b"\0" if v5 else b"")
    return frame(kind, body + (bytes(codes) if v5 or kind == SUBACK else b""))


def decode_codes(body: bytes, v5: bool) -> tuple[int, list[int]]:
    """(identifier of the packet, codes) of a SUBACK or an UNSUBACK."""
    cursor = Cursor(body)
    mid = cursor.number(2)
    if v5:
        cursor.properties()
    return mid, list(cursor.rest())


def matches(filter_: str, topic: str) -> bool:
    """Whether a topic belongs to a filter (4.7)."""
    if topic.startswith("$") and filter_[:1] in ("+", "#"):
        return False
    wanted, levels = filter_.split("/"), topic.split("/")
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(levels) or level not in ("+", levels[index]):
            return False
    return len(wanted) == len(levels)

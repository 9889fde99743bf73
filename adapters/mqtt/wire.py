"""MQTT packets between a client and bytes, v5 and v3.1.1: what we send is encoded, what a broker sends is decoded. No I/O.

PUBLISH that comes in is `framing.py`'s, properties one by one are `properties.py`'s. The broker of the testkit has a codec of its
own on purpose: two that were written apart find each other's errors (`tests/adapters/mqtt/test_wire.py`), one would hide them.
Section numbers are of the MQTT 5 specification.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import msgspec

from adapters.mqtt.framing import FramingError
from adapters.mqtt.properties import PropertyError, read_varint, split_properties, write_varint
from adapters.mqtt.seam import Connect, Connected, Subscription

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 1, 2, 3, 4, 5, 6, 7
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH = 8, 9, 10, 11, 12, 13, 14, 15
NAMES = ["reserved", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP"]
NAMES += ["SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH"]

SESSION_EXPIRY, SERVER_KEEPALIVE, RECEIVE_MAXIMUM, MAXIMUM_QOS = 0x11, 0x13, 0x21, 0x24
RETAIN_AVAILABLE, MAXIMUM_PACKET, SUBSCRIPTION_ID, TOPIC_ALIAS_MAXIMUM, SHARED_AVAILABLE = 0x25, 0x27, 0x0B, 0x22, 0x2A

_NUMERIC = frozenset((SESSION_EXPIRY, SERVER_KEEPALIVE, RECEIVE_MAXIMUM, MAXIMUM_QOS, RETAIN_AVAILABLE, MAXIMUM_PACKET))
_NUMERIC |= {TOPIC_ALIAS_MAXIMUM, SHARED_AVAILABLE}

PING = bytes((PINGREQ << 4, 0))
GOODBYE = bytes((DISCONNECT << 4, 0))
"""DISCONNECT: an orderly end, the will is not said."""
ACKS = 256
"""Acknowledgements packed at once: one struct format for all full batches."""


class Ack(msgspec.Struct, frozen=True):
    """PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK or UNSUBACK.

    Attributes:
        kind: which of them.
        mid: packet identifier.
        codes: reason codes: one, or one a filter; 0 where v3.1.1 has none.
    """

    kind: int
    mid: int
    codes: list[int]


class Bare(msgspec.Struct, frozen=True):
    """PINGRESP or DISCONNECT.

    Attributes:
        kind: which of them.
        code: reason code of a DISCONNECT.
    """

    kind: int
    code: int = 0


class Connack(msgspec.Struct, frozen=True):
    """CONNACK (3.2).

    Attributes:
        session_present: the broker has our session.
        code: 0, or why not, in the codes of its version.
        numbers: numeric properties by identifier.
    """

    session_present: bool
    code: int
    numbers: dict[int, int]


def binary(data: bytes | str) -> bytes:
    """Bytes or text behind their length in two bytes (1.5.4, 1.5.6).

    Raises:
        ValueError: longer than 65,535 bytes.
    """
    data = data.encode() if isinstance(data, str) else data
    if len(data) > 65_535:
        raise ValueError(f"{len(data)} bytes do not fit into a field of MQTT (65,535)")
    return len(data).to_bytes(2, "big") + data


def packet(kind: int, body: bytes, flags: int = 0) -> bytes:
    """A whole packet."""
    return bytes((kind << 4 | flags,)) + write_varint(len(body)) + body


def _with_length(properties: bytes) -> bytes:
    return write_varint(len(properties)) + properties


def encode_connect(options: Connect) -> bytes:
    """CONNECT (3.1)."""
    v5, will = options.version == 5, options.will
    flags = options.clean << 1 | (options.username is not None) << 7 | (options.password is not None) << 6
    about = b""
    if v5:
        about = struct.pack("!BHBI", RECEIVE_MAXIMUM, options.window, MAXIMUM_PACKET, options.max_packet)
        about += struct.pack("!BI", SESSION_EXPIRY, options.session_expiry) if options.session_expiry else b""
        about += struct.pack("!BH", TOPIC_ALIAS_MAXIMUM, options.topic_aliases) if options.topic_aliases else b""
        about = _with_length(about)
    last = b""
    if will is not None:
        flags |= 4 | will.qos << 3 | will.retain << 5
        last = (_with_length(will.properties) if v5 else b"") + binary(will.topic) + binary(will.payload)
    body = binary("MQTT") + struct.pack("!BBH", options.version, flags, options.keepalive) + about
    body += binary(options.client_id) + last
    body += b"".join(binary(part) for part in (options.username, options.password) if part is not None)
    return packet(CONNECT, body)


def encode_publish(topic: str, payload: bytes, qos: int, retain: bool, mid: int, properties: bytes | None) -> bytes:
    """PUBLISH (3.3), never with DUP: a connection sends each message once.

    Args:
        topic: without wildcards.
        payload: any bytes.
        qos: 0, 1 or 2.
        retain: the broker keeps it.
        mid: packet identifier; not sent at QoS 0.
        properties: raw, without their length; None at v3.1.1.
    """
    head = binary(topic)
    if qos:
        head += mid.to_bytes(2, "big")
    if properties is not None:
        head += _with_length(properties)
    return b"".join((bytes((PUBLISH << 4 | qos << 1 | retain,)), write_varint(len(head) + len(payload)), head, payload))


def encode_acks(received: Sequence[tuple[int, int]]) -> bytes:
    """PUBACK (QoS 1) or PUBREC (QoS 2) for each (identifier, QoS), in this order."""
    words = [0x4002_0000 | mid if qos == 1 else 0x5002_0000 | mid for mid, qos in received]
    if len(words) <= ACKS:
        return struct.pack(f">{len(words)}I", *words)
    return b"".join(
        [struct.pack(f">{len(part)}I", *part) for at in range(0, len(words), ACKS) if (part := words[at : at + ACKS])]
    )


def encode_release(mid: int) -> bytes:
    """PUBREL (3.6)."""
    return bytes((PUBREL << 4 | 2, 2, mid >> 8, mid & 255))


def encode_complete(mid: int) -> bytes:
    """PUBCOMP (3.7)."""
    return bytes((PUBCOMP << 4, 2, mid >> 8, mid & 255))


def encode_subscribe(mid: int, wanted: Sequence[Subscription], v5: bool, identifier: int = 0) -> bytes:
    """SUBSCRIBE (3.8) of filters with one subscription identifier, 0 for none."""
    body = mid.to_bytes(2, "big")
    if v5:
        body += _with_length(bytes((SUBSCRIPTION_ID,)) + write_varint(identifier)) if identifier else b"\0"
    for one in wanted:
        options = one.qos | (one.no_local << 2 | one.retain_handling << 4 if v5 else 0)
        body += binary(one.filter) + bytes((options,))
    return packet(SUBSCRIBE, body, 2)


def encode_unsubscribe(mid: int, filters: Sequence[str], v5: bool) -> bytes:
    """UNSUBSCRIBE (3.10)."""
    return packet(UNSUBSCRIBE, mid.to_bytes(2, "big") + (b"\0" if v5 else b"") + b"".join(map(binary, filters)), 2)


def decode(data: bytes, v5: bool) -> Connack | Ack | Bare:
    """A whole packet from the broker that is not a PUBLISH.

    Raises:
        FramingError: malformed, or not a packet for a client.
    """
    kind, flags = data[0] >> 4, data[0] & 15
    if flags != (2 if kind == PUBREL else 0):
        raise FramingError(f"a {NAMES[kind]} with the flags {flags}")
    body = data[read_varint(data, 1)[1] :]
    if PUBACK <= kind <= PUBCOMP:
        return _ack(kind, body, v5)
    if kind in (SUBACK, UNSUBACK):
        return _codes(kind, body, v5)
    if kind == CONNACK:
        return _connack(body, v5)
    if kind == PINGRESP:
        if body:
            raise FramingError(f"a PINGRESP with {len(body)} bytes")
        return Bare(kind)
    if kind == DISCONNECT and v5:
        if len(body) > 1:
            _properties(body, 1, "DISCONNECT")
        return Bare(kind, body[0] if body else 0)
    raise FramingError(f"a {NAMES[kind]}, which is not for a client that did not ask for it")


def connected_of(connack: Connack) -> Connected:
    """What a CONNACK that accepts says, in the seam's words."""
    said = connack.numbers
    return Connected(
        session_present=connack.session_present,
        send_quota=said.get(RECEIVE_MAXIMUM, 65_535),
        max_packet=said.get(MAXIMUM_PACKET, 0),
        max_qos=said.get(MAXIMUM_QOS, 2),
        session_expiry=said.get(SESSION_EXPIRY),
        topic_aliases=said.get(TOPIC_ALIAS_MAXIMUM, 0),
        retain=said.get(RETAIN_AVAILABLE, 1) == 1,
        shared=said.get(SHARED_AVAILABLE, 1) == 1,
    )


def _connack(body: bytes, v5: bool) -> Connack:
    if len(body) < 2 or body[0] > 1 or (not v5 and len(body) != 2):
        raise FramingError(f"a CONNACK of {len(body)} bytes with flags 0x{body[0] if body else 0:02x}")
    properties, at = _properties(body, 2, "CONNACK") if v5 else (b"", 2)
    if at != len(body):
        raise FramingError(f"a CONNACK with {len(body) - at} bytes behind its properties")
    return Connack(bool(body[0]), body[1], _numbers(properties))


def _ack(kind: int, body: bytes, v5: bool) -> Ack:
    """PUBACK, PUBREC, PUBREL, PUBCOMP (3.4 to 3.7)."""
    if len(body) < 2 or (not v5 and len(body) != 2):
        raise FramingError(f"a {NAMES[kind]} of {len(body)} bytes")
    if len(body) > 3:
        _properties(body, 3, NAMES[kind])
    return Ack(kind, _identifier(kind, body), [body[2] if len(body) > 2 else 0])


def _codes(kind: int, body: bytes, v5: bool) -> Ack:
    """SUBACK, UNSUBACK (3.9, 3.11); an UNSUBACK of v3.1.1 has no codes."""
    if len(body) < 2:
        raise FramingError(f"a {NAMES[kind]} of {len(body)} bytes")
    at = _properties(body, 2, NAMES[kind])[1] if v5 else 2
    return Ack(kind, _identifier(kind, body), list(body[at:]))


def _identifier(kind: int, body: bytes) -> int:
    mid = body[0] << 8 | body[1]
    if not mid:
        raise FramingError(f"a {NAMES[kind]} with the packet identifier 0")
    return mid


def _properties(body: bytes, at: int, name: str) -> tuple[bytes, int]:
    """(raw properties, place behind them); a body that ends before them has none (3.2.2.3 is lenient in practice)."""
    if at == len(body):
        return b"", at
    try:
        length, start = read_varint(body, at)
    except (IndexError, PropertyError):
        raise FramingError(f"a {name} whose property length at byte {at} is malformed") from None
    if start + length > len(body):
        raise FramingError(f"a {name} whose {length} bytes of properties at byte {start} are cut off")
    return body[start : start + length], start + length


def _numbers(properties: bytes) -> dict[int, int]:
    try:
        pieces = split_properties(properties)
    except PropertyError as error:
        raise FramingError(f"a CONNACK whose properties are malformed: {error}") from None
    numbers: dict[int, int] = {}
    for identifier, raw in pieces:
        if identifier in numbers:
            raise FramingError(f"a CONNACK with the property 0x{identifier:02x} twice")
        if identifier in _NUMERIC:
            numbers[identifier] = int.from_bytes(raw[1:], "big")
    if numbers.get(RECEIVE_MAXIMUM) == 0 or numbers.get(MAXIMUM_PACKET) == 0:
        raise FramingError("a CONNACK with a Receive Maximum or a Maximum Packet Size of 0")
    return numbers

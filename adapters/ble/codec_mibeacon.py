"""MiBeacon: service data of 0xFE95, of Xiaomi's sensors with their own firmware. Encrypted payloads of versions 4 and 5 are
opened by cipher.py first, versions 2 and 3 are read when they are not encrypted.

Fields by the objects in it: temperature (°C), humidity (%), illuminance (lx), moisture (%), conductivity (µS/cm), battery (%),
formaldehyde (mg/m³); any other object as object_ID with its bytes. Always: device_type, packet_id. A frame may have no object.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from adapters.ble.codec_bytes import Bytes
from rt_edge.sdk import CodecError, Value

SERVICE = 0xFE95
ENCRYPTED, MAC, CAPABILITY, OBJECT, MESH = 0x08, 0x10, 0x20, 0x40, 0x80
"""Bits of the frame control."""

_IO = 0x20
_HEAD = 5


class _Number(NamedTuple):
    name: str
    size: int
    factor: float = 1
    signed: bool = False


_NUMBERS = {
    0x1004: _Number("temperature", 2, 0.1, True),
    0x1006: _Number("humidity", 2, 0.1),
    0x1007: _Number("illuminance", 3),
    0x1008: _Number("moisture", 1),
    0x1009: _Number("conductivity", 2),
    0x100A: _Number("battery", 1),
    0x1010: _Number("formaldehyde", 2, 0.01),
    0x4803: _Number("battery", 1),
    0x4C02: _Number("humidity", 1),
    0x4C03: _Number("battery", 1),
}
_FLOATS = {0x4C01: "temperature", 0x4C08: "humidity"}
_BOTH = 0x100D


def control(data: bytes) -> int:
    """The frame control.

    Raises:
        CodecError: too short, of a mesh, or of version 1.
    """
    if len(data) < _HEAD:
        raise CodecError(f"mibeacon, byte {len(data)}: {len(data)} bytes, a frame has at least {_HEAD}")
    word = int.from_bytes(data[:2], "little")
    if word & MESH:
        raise CodecError("mibeacon, byte 0: a frame of a mesh is not read")
    if word >> 12 < 2:
        raise CodecError(f"mibeacon, byte 1: version {word >> 12} is not read")
    return word


def payload_at(data: bytes) -> int:
    """Where the objects begin.

    Raises:
        CodecError: it is cut off.
    """
    word = control(data)
    left = Bytes(data, "mibeacon")
    left.take(_HEAD, "head")
    if word & MAC:
        left.take(6, "mac")
    if word & CAPABILITY and left.little(1, "capability") & _IO:
        left.take(1, "IO capability")
    return left.at


def decode(data: bytes) -> dict[str, Value]:
    """Fields of a frame that is not encrypted.

    Raises:
        CodecError: encrypted, or malformed.
    """
    word = control(data)
    left = Bytes(data, "mibeacon")
    left.at = payload_at(data)
    fields: dict[str, Value] = {"device_type": int.from_bytes(data[2:4], "little"), "packet_id": data[4]}
    if not word & OBJECT:
        return fields
    if word & ENCRYPTED:
        legacy = word >> 12 < 4
        reason = (
            "encrypted as of version 2 or 3, which is not read" if legacy else "encrypted, and no key of this device is known"
        )
        raise CodecError(f"mibeacon, byte 0: {reason}")
    while left.left:
        _object(left, fields)
    return fields


def _object(left: Bytes, fields: dict[str, Value]) -> None:
    kind = left.little(2, "object id")
    content = Bytes(left.take(left.little(1, "length of object"), f"object 0x{kind:04x}"), f"mibeacon, object 0x{kind:04x}")
    number = _NUMBERS.get(kind)
    if kind == _BOTH and content.left == 4:
        fields["temperature"] = round(content.little(2, "temperature", signed=True) * 0.1, 1)
        fields["humidity"] = round(content.little(2, "humidity") * 0.1, 1)
    elif number is not None and content.left == number.size:
        raw = content.little(number.size, number.name, number.signed)
        fields[number.name] = raw if number.factor == 1 else round(raw * number.factor, 2)
    elif kind in _FLOATS and content.left == 4:
        value: float = struct.unpack("<f", content.take(4, "float"))[0]
        if value - value != 0:  # not a number, or infinite
            raise content.error(f"{value} is not a {_FLOATS[kind]}")
        fields[_FLOATS[kind]] = round(value, 2)
    else:
        fields[f"object_{kind:04x}"] = content.data

"""Binary frames by a layout: where each field stands, of which type, in which order of bytes."""

from __future__ import annotations

import math
import struct
from typing import Any, NamedTuple

from adapters.serial.codec import FrameError, Parsed
from rt_edge.sdk import Value

CODES = {
    "int8": "b",
    "uint8": "B",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float16": "e",
    "float32": "f",
    "float64": "d",
}
"""Type -> code of the struct module."""

ORDERS = {"big": ">", "little": "<"}


def size_of(type_: str, length: int | None) -> int:
    """Bytes of a field."""
    return length or 0 if type_ in ("string", "bytes") else struct.calcsize("<" + CODES[type_])


class _Field(NamedTuple):
    name: str
    at: int
    size: int
    type: str
    unpack: struct.Struct | None
    bit: int | None
    scale: float
    offset: float


class Layout:
    """Fields at fixed places of a frame."""

    def __init__(self, settings: Any) -> None:
        self._length: int | None = settings.length_bytes
        self._fields = [self._field(name, field, settings.order) for name, field in settings.fields.items()]
        self._least = max(field.at + field.size for field in self._fields)

    @staticmethod
    def _field(name: str, field: Any, order: str) -> _Field:
        code = CODES.get(field.type)
        unpack = struct.Struct(ORDERS[field.order or order] + code) if code else None
        size = size_of(field.type, field.length_bytes)
        return _Field(name, field.at_byte, size, field.type, unpack, field.bit, field.scale, field.offset)

    def __call__(self, payload: bytes) -> Parsed | None:
        """See `adapters.serial.codec.Parser`."""
        if len(payload) < self._least or (self._length is not None and len(payload) != self._length):
            wanted = f"{self._length} are" if self._length is not None else f"at least {self._least} are"
            raise FrameError("bad_length", f"the frame has {len(payload)} bytes where {wanted} expected")
        fields: dict[str, Value] = {}
        for field in self._fields:
            value = _read(payload, field)
            if value is not None:
                fields[field.name] = value
        return Parsed(fields, {})


def _read(payload: bytes, field: _Field) -> Value | None:
    """The value; None where there is none: NaN, infinity."""
    if field.unpack is None:
        data = payload[field.at : field.at + field.size]
        if field.type == "bytes":
            return data
        try:
            return data.decode("utf-8").rstrip("\x00 ")
        except UnicodeDecodeError:
            raise FrameError("bad_text", f"{field.name}: {data[:20]!r} is not UTF-8") from None
    (value,) = field.unpack.unpack_from(payload, field.at)
    if field.bit is not None:
        return bool(value >> field.bit & 1)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if field.scale == 1 and field.offset == 0:
        return value  # type: ignore[no-any-return]
    scaled = value * field.scale + field.offset
    return scaled if math.isfinite(scaled) else None

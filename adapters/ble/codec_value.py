"""Values of GATT characteristics: bytes to a number, a text, and back. Numbers have the least significant byte first."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import NamedTuple

from rt_edge.sdk import CodecError, Value

_STRUCT = {
    "int8": "<b",
    "uint8": "<B",
    "int16": "<h",
    "uint16": "<H",
    "int32": "<i",
    "uint32": "<I",
    "int64": "<q",
    "uint64": "<Q",
    "float32": "<f",
    "float64": "<d",
}
TYPES = ("bool", *_STRUCT, "string", "bytes")


class ValueCodec(NamedTuple):
    """One point's bytes and value.

    Attributes:
        type: one of TYPES.
        scale: value = raw * scale + offset, for numbers.
        offset: added after scaling.
        skip: bytes before the value.
    """

    type: str
    scale: float = 1
    offset: float = 0
    skip: int = 0

    def decode(self, data: bytes) -> Value:
        """The value; bytes behind it are of other things and are not looked at.

        Raises:
            CodecError: too few bytes, no UTF-8, or not a number.
        """
        body = data[self.skip :]
        if self.type == "bytes":
            return body
        if self.type == "string":
            try:
                return body.rstrip(b"\0").decode()
            except UnicodeDecodeError as error:
                raise CodecError(f"byte {self.skip + error.start}: not UTF-8") from None
        code = "<?" if self.type == "bool" else _STRUCT[self.type]
        if len(body) < struct.calcsize(code):
            raise CodecError(f"byte {len(data)}: {len(data)} bytes, and {self.type} needs {self.skip + struct.calcsize(code)}")
        raw: int | float = struct.unpack_from(code, body)[0]
        if self.type == "bool":
            return bool(raw)
        if not math.isfinite(raw):
            raise CodecError(f"byte {self.skip}: {raw} is not a number")
        if self.scale == 1 and self.offset == 0:
            return raw
        return round(raw * self.scale + self.offset, 9)

    def encode(self, value: Value) -> bytes:
        """The bytes of a value.

        Raises:
            CodecError: it does not fit.
        """
        if self.skip:
            raise CodecError("a part of a characteristic cannot be written")
        if self.type == "bytes":
            return value if isinstance(value, bytes) else _of_text(value, bytes.fromhex, "hex digits")
        if self.type == "string":
            return _of_text(value, str.encode, "a text")
        if self.type == "bool":
            if value not in (False, True):
                raise CodecError(f"{value!r} is not true or false")
            return b"\1" if value else b"\0"
        if isinstance(value, (str, bytes)) or not math.isfinite(value):
            raise CodecError(f"{value!r} is not a number")
        raw = (value - self.offset) / self.scale if (self.scale, self.offset) != (1, 0) else value
        if not self.type.startswith("float"):
            if abs(raw - round(raw)) > 1e-6:
                raise CodecError(f"{value!r} is between two values of {self.type}")
            raw = round(raw)
        try:
            return struct.pack(_STRUCT[self.type], raw)
        except (struct.error, OverflowError):
            raise CodecError(f"{value!r} does not fit into {self.type}") from None


def _of_text(value: Value, encode: Callable[[str], bytes], what: str) -> bytes:
    try:
        return encode(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, AttributeError):
        raise CodecError(f"{value!r} is not {what}") from None

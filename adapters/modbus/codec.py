"""Registers to values and back: one codec object a point, used by reads and writes alike.

Orders are written as in most manuals: A is the most significant byte of the value, the letters stand in the order of the wire.
`ABCD` (big endian, the default of the standard), `CDAB` (words swapped), `BADC` (bytes swapped), `DCBA` (little endian); for
64 bits these four are extended in the same sense, and eight letters name any of the six orders seen in the field.
"""

from __future__ import annotations

import math
import struct
from typing import Any

from adapters.modbus.kinds import ENCODINGS, FORMATS, VARIABLE, Fix, Unsound, fix_of, raw_of
from rt_edge.sdk import CodecError, ConfigError, Value

_WIDE = {
    "ABCD": "ABCDEFGH",
    "CDAB": "GHEFCDAB",
    "BADC": "BADCFEHG",
    "DCBA": "HGFEDCBA",
}
_THREE = {"ABCD": "ABCDEF", "CDAB": "EFCDAB", "BADC": "BADCFE", "DCBA": "FEDCBA"}
ORDERS = ("ABCD", "CDAB", "BADC", "DCBA", "AB", "BA", *_WIDE.values(), "CDABGHEF", "EFGHABCD", *_THREE.values())
"""Every order that can be written."""


def wire_places(order: str, size: int) -> list[int]:
    """Where the bytes of a value of `size` bytes, most significant first, are in its registers.

    Raises:
        ConfigError: the order does not fit the size.
    """
    if size == 2:
        letters = {"ABCD": "AB", "CDAB": "AB", "BADC": "BA", "DCBA": "BA"}.get(order, order)
    elif size == 8:
        letters = _WIDE.get(order, order)
    elif size == 6:
        letters = _THREE.get(order, order)
    else:
        letters = order
    if len(letters) != size or order not in ORDERS:
        raise ConfigError(f"order {order!r} does not fit a value of {size} bytes", "write ABCD, CDAB, BADC or DCBA")
    return [letters.index(chr(ord("A") + i)) for i in range(size)]


class PointCodec:
    """How one point lies in its registers (or that it is a coil).

    Args:
        kind: a key of FORMATS.
        order: byte and word order, one of ORDERS.
        scale: value = raw * scale + offset; an int or a float.
        offset: see `scale`.
        bit: for `bool` in a register: its number, 0 is the least significant; for `uint16`: the lowest bit of a part of it.
        high: for int8 and uint8: whether it is the high byte of its register.
        length: for `string` and `bytes`: registers.
        encoding: for `string`: a key of ENCODINGS.
        width: for `uint16` with `bit`: bits of the part.

    Raises:
        ConfigError: an order that does not fit the type.
    """

    __slots__ = (
        *("_divisor", "_encoding", "_plain", "bit", "fix", "format", "high", "kind", "offset", "partial", "places", "registers"),
        *("scale", "size", "width"),
    )

    def __init__(
        self,
        kind: str,
        order: str = "ABCD",
        scale: float = 1,
        offset: float = 0,
        bit: int | None = None,
        high: bool = False,
        length: int = 1,
        encoding: str = "utf-8",
        width: int = 1,
    ) -> None:
        self.kind = kind
        self._encoding = ENCODINGS[encoding]
        self.scale, self.offset, self.bit, self.high, self.width = scale, offset, bit, high, width
        self.size = 2 * length if kind in VARIABLE else struct.calcsize(">" + FORMATS[kind])
        self.registers = (self.size + 1) // 2
        self.format = f"{self.size}s" if kind in VARIABLE else FORMATS[kind]
        self.partial = kind in ("int8", "uint8") or bit is not None
        if kind in VARIABLE:
            swap = wire_places(order, 2)
            self.places = [2 * (i // 2) + swap[i % 2] for i in range(self.size)]
        elif self.size == 1:
            self.places = [0 if high else 1]
        else:
            self.places = wire_places(order, self.size)
        # 3 * 0.1 is not 0.3, 3 / 10 is: a scale whose inverse is a whole number divides
        inverse = round(1 / scale) if scale else 0
        self._divisor = inverse if abs(inverse) > 1 and 1 / inverse == scale else 0
        self._plain = fix_of(kind, bit, width, self._encoding)
        self.fix: Fix | None = self._plain if scale == 1 and offset == 0 else self._scaled

    def _scaled(self, raw: Any) -> Value | Unsound | None:
        if self._plain is not None:
            raw = self._plain(raw)
            if raw is None or isinstance(raw, Unsound):
                return raw
        value = (raw / self._divisor if self._divisor else raw * self.scale) + self.offset
        return value if isinstance(value, int) or math.isfinite(value) else None

    def decode(self, data: bytes) -> Value | None:
        """The value in the registers `data`; None if the device says it has none (NaN, text that is not in its encoding).

        Raises:
            CodecError: `data` is too short, or holds no value of this type.
        """
        if len(data) < 2 * self.registers:
            raise CodecError(f"{len(data)} bytes for a {self.kind} of {self.registers} registers")
        (raw,) = struct.unpack(">" + self.format, bytes(data[i] for i in self.places))
        value = self.fix(raw) if self.fix else raw
        if isinstance(value, Unsound):
            raise CodecError(value.reason)
        return value

    def encode(self, value: Value, before: bytes = b"") -> bytes:
        """The registers for `value`; `before` is what they hold now, needed where the point is part of a register (`partial`).

        Raises:
            CodecError: the value has the wrong type or is out of range.
        """
        raw = self._raw(value)
        if self.bit is not None:
            (word,) = struct.unpack(">H", bytes(before[i] for i in self.places))
            ones = (1 << self.width) - 1 << self.bit
            raw = word & ~ones | int(raw) << self.bit
        try:
            packed = struct.pack(">" + self.format, raw)
        except (struct.error, OverflowError) as error:
            raise CodecError(f"{value!r} does not fit {self.kind}: {error}") from None
        out = bytearray(before[: 2 * self.registers].ljust(2 * self.registers, b"\0"))
        for place, byte in zip(self.places, packed, strict=True):
            out[place] = byte
        return bytes(out)

    def _raw(self, value: Value) -> Any:
        if self.kind == "bool":
            if value not in (0, 1):
                raise CodecError(f"{value!r} is not true or false")
            return int(bool(value))
        if self.kind in VARIABLE:
            return self._raw_bytes(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise CodecError(f"{value!r} is not a finite number")
        if self.scale != 1 or self.offset != 0:
            shifted = value - self.offset
            value = shifted * self._divisor if self._divisor else shifted / self.scale
        if self.kind.startswith("float"):
            return float(value)
        whole = round(value)
        # 1e-6 of a step forgives binary rounding; more is a value that the register cannot hold
        if self.scale == 1 and abs(value - whole) > 1e-6:
            raise CodecError(f"{value!r} is not a whole number, and the point is {self.kind} without a scale")
        if self.bit is not None and whole >> self.width:
            raise CodecError(f"{value!r} does not fit {self.width} bits")
        return raw_of(self.kind, whole)

    def _raw_bytes(self, value: Value) -> bytes:
        if self.kind == "bytes":
            if not isinstance(value, bytes) or len(value) != self.size:
                raise CodecError(f"{value!r} is not {self.size} bytes")
            return value
        try:
            text = value.encode(self._encoding) if isinstance(value, str) else None
        except UnicodeEncodeError as error:
            raise CodecError(f"{value!r} has characters that {self._encoding} does not know: {error.reason}") from None
        if text is None or len(text) > self.size:
            raise CodecError(f"{value!r} is not a text of at most {self.size} bytes")
        return text

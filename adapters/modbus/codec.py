"""Registers to values and back: one codec object a point, used by reads and writes alike.

Orders are written as in most manuals: A is the most significant byte of the value, the letters stand in the order of the wire.
`ABCD` (big endian, the default of the standard), `CDAB` (words swapped), `BADC` (bytes swapped), `DCBA` (little endian); for
64 bits these four are extended in the same sense, and eight letters name any of the six orders seen in the field.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from operator import itemgetter
from typing import Any

from rt_edge.sdk import CodecError, ConfigError, Value

FORMATS: Mapping[str, str] = {
    "bool": "H",
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
    "string": "s",
}
"""Type of a point -> struct format of its value."""

_WIDE = {
    "ABCD": "ABCDEFGH",
    "CDAB": "GHEFCDAB",
    "BADC": "BADCFEHG",
    "DCBA": "HGFEDCBA",
}
ORDERS = ("ABCD", "CDAB", "BADC", "DCBA", "AB", "BA", *_WIDE.values(), "CDABGHEF", "EFGHABCD")
"""Every order that can be written."""

ENCODINGS: Mapping[str, str] = {"utf-8": "utf-8", "ascii": "ascii", "latin-1": "latin-1", "utf-16": "utf-16-be"}
"""What a user writes -> Python's name."""

FIX = Callable[[Any], "Value | None"]
"""Turns what struct gave into the value of the field; None: the device says it has no value."""


def wire_places(order: str, size: int) -> list[int]:
    """Where the bytes of a value of `size` bytes, most significant first, are in its registers.

    Raises:
        ConfigError: the order does not fit the size.
    """
    if size == 2:
        letters = {"ABCD": "AB", "CDAB": "AB", "BADC": "BA", "DCBA": "BA"}.get(order, order)
    elif size == 8:
        letters = _WIDE.get(order, order)
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
        bit: for `bool` in a register: its number, 0 is the least significant.
        high: for int8 and uint8: whether it is the high byte of its register.
        length: for `string`: registers.
        encoding: for `string`: a key of ENCODINGS.

    Raises:
        ConfigError: an order that does not fit the type.
    """

    __slots__ = (
        *("_divisor", "_encoding", "bit", "fix", "format", "high", "kind", "offset", "partial", "places", "registers", "scale"),
        "size",
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
    ) -> None:
        self.kind = kind
        self._encoding = ENCODINGS[encoding]
        self.scale, self.offset, self.bit, self.high = scale, offset, bit, high
        self.size = 2 * length if kind == "string" else struct.calcsize(">" + FORMATS[kind])
        self.registers = (self.size + 1) // 2
        self.format = f"{self.size}s" if kind == "string" else FORMATS[kind]
        self.partial = kind in ("int8", "uint8") or (kind == "bool" and bit is not None)
        if kind == "string":
            swap = wire_places(order, 2)
            self.places = [2 * (i // 2) + swap[i % 2] for i in range(self.size)]
        elif self.size == 1:
            self.places = [0 if high else 1]
        else:
            self.places = wire_places(order, self.size)
        # 3 * 0.1 is not 0.3, 3 / 10 is: a scale whose inverse is a whole number divides
        inverse = round(1 / scale) if scale else 0
        self._divisor = inverse if abs(inverse) > 1 and 1 / inverse == scale else 0
        self.fix: FIX | None = self._fix()

    def _fix(self) -> FIX | None:
        if self.kind == "bool":
            bit = self.bit
            return bool if bit is None else lambda raw: bool(raw >> bit & 1)
        if self.kind == "string":
            return partial(_text, self._encoding)
        is_float = self.kind.startswith("float")
        if self.scale == 1 and self.offset == 0:
            return _number if is_float else None
        return self._scaled

    def _scaled(self, raw: Any) -> Value | None:
        value = (raw / self._divisor if self._divisor else raw * self.scale) + self.offset
        return value if isinstance(value, int) or math.isfinite(value) else None

    def decode(self, data: bytes) -> Value | None:
        """The value in the registers `data`; None if the device says it has none (NaN, text that is not in its encoding).

        Raises:
            CodecError: `data` is too short.
        """
        if len(data) < 2 * self.registers:
            raise CodecError(f"{len(data)} bytes for a {self.kind} of {self.registers} registers")
        (raw,) = struct.unpack(">" + self.format, bytes(data[i] for i in self.places))
        return self.fix(raw) if self.fix else raw

    def encode(self, value: Value, before: bytes = b"") -> bytes:
        """The registers for `value`; `before` is what they hold now, needed where the point is part of a register (`partial`).

        Raises:
            CodecError: the value has the wrong type or is out of range.
        """
        raw = self._raw(value)
        if self.bit is not None:
            (word,) = struct.unpack(">H", bytes(before[i] for i in self.places))
            raw = word | 1 << self.bit if raw else word & ~(1 << self.bit)
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
        if self.kind == "string":
            try:
                text = value.encode(self._encoding) if isinstance(value, str) else None
            except UnicodeEncodeError as error:
                raise CodecError(f"{value!r} has characters that {self._encoding} does not know: {error.reason}") from None
            if text is None or len(text) > self.size:
                raise CodecError(f"{value!r} is not a text of at most {self.size} bytes")
            return text
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
        return whole


def _number(raw: float) -> float | None:
    return raw if math.isfinite(raw) else None


def _text(encoding: str, raw: bytes) -> str | None:
    try:
        return raw.decode(encoding).rstrip("\0 ")
    except UnicodeDecodeError:
        return None


class RegisterDecoder:
    """All points of one block of registers by one `unpack`.

    Args:
        points: (name, first register within the block, codec).
        count: registers of the block.
    """

    __slots__ = ("_fixes", "_gather", "_names", "_unpack")

    def __init__(self, points: Sequence[tuple[str, int, PointCodec]], count: int) -> None:
        self._names = [name for name, _, _ in points]
        self._fixes = [(i, codec.fix) for i, (_, _, codec) in enumerate(points) if codec.fix is not None]
        places = [2 * at + place for _, at, codec in points for place in codec.places]
        rising = all(a < b for a, b in pairwise(places))
        if rising:  # the registers can be unpacked where they are, with holes as padding
            text, end = ">", 0
            for _, at, codec in points:
                start = 2 * at + codec.places[0]
                text += f"{start - end}x" if start > end else ""
                text += codec.format
                end = start + codec.size
            text += f"{2 * count - end}x"
            self._gather: Callable[[bytes], tuple[int, ...]] | None = None
        else:
            text = ">" + "".join(codec.format for _, _, codec in points)
            self._gather = itemgetter(*places)
        self._unpack = struct.Struct(text).unpack

    def decode(self, data: bytes) -> tuple[dict[str, Value], list[str]]:
        """The fields, and the names of the points for which the device has no value. `data` is as long as the block."""
        raw = self._unpack(bytes(self._gather(data)) if self._gather else data)
        if not self._fixes:
            return dict(zip(self._names, raw, strict=True)), []
        values: list[Any] = list(raw)
        missing = []
        for i, fix in self._fixes:
            value = fix(values[i])
            values[i] = value
            if value is None:
                missing.append(self._names[i])
        fields = dict(zip(self._names, values, strict=True))
        for name in missing:
            del fields[name]
        return fields, missing


class BitDecoder:
    """All points of one block of coils or discrete inputs.

    Args:
        points: (name, number of the bit within the block).
    """

    __slots__ = ("_points",)

    def __init__(self, points: Sequence[tuple[str, int]]) -> None:
        self._points = [(name, at >> 3, 1 << (at & 7)) for name, at in points]

    def decode(self, data: bytes) -> tuple[dict[str, Value], list[str]]:
        """The fields; bits always have a value."""
        return {name: data[byte] & mask != 0 for name, byte, mask in self._points}, []

"""Types of values in registers: what lies between the bits of a register and the value of a field, both ways.

Big-endian and plain, as `struct` sees them; orders, places and scales are the business of codec.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from rt_edge.sdk import CodecError, Value

FORMATS: Mapping[str, str] = {
    "bool": "H",
    "int8": "b",
    "uint8": "B",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int48": "6s",
    "uint48": "6s",
    "int64": "q",
    "uint64": "Q",
    "bcd16": "H",
    "bcd32": "I",
    "float16": "e",
    "float32": "f",
    "float64": "d",
    "string": "s",
    "bytes": "s",
}
"""Type of a point -> struct format of its value; `string` and `bytes` have a length."""

VARIABLE = ("string", "bytes")
"""Types whose length is set, in registers."""

NUMBERS: Mapping[str, tuple[int, int]] = {
    **{f"int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 48, 64)},
    **{f"uint{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 48, 64)},
    "bcd16": (0, 9999),
    "bcd32": (0, 99_999_999),
}
"""Type of a whole number -> least and greatest raw value."""

ENCODINGS: Mapping[str, str] = {"utf-8": "utf-8", "ascii": "ascii", "latin-1": "latin-1", "utf-16": "utf-16-be"}
"""What a user writes -> Python's name."""


class Unsound:
    """What stands in registers that hold no value of their type.

    Args:
        reason: in words.
    """

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


Fix = Callable[[Any], "Value | Unsound | None"]
"""Turns what struct gave into the value of the field; None: the device says it has no value."""


def fix_of(kind: str, bit: int | None, width: int, encoding: str) -> Fix | None:
    """How a value of `kind` is made of what struct gives; None: it is that already.

    Args:
        kind: a key of FORMATS.
        bit: least significant bit of a part of a register.
        width: bits of that part, if it is a number.
        encoding: of a string, Python's name.
    """
    if kind == "bool":
        return bool if bit is None else lambda raw: bool(raw >> bit & 1)
    if bit is not None:
        ones = (1 << width) - 1
        return lambda raw: raw >> bit & ones
    if kind == "string":
        return partial(_text, encoding)
    if kind.startswith("float"):
        return _finite
    if kind.startswith("bcd"):
        return partial(_bcd, int(kind[3:]) // 4)
    if FORMATS[kind] == "6s":
        return partial(int.from_bytes, byteorder="big", signed=kind == "int48")
    return None


def raw_of(kind: str, whole: int) -> Any:
    """What struct packs for a whole number.

    Raises:
        CodecError: it is out of range.
    """
    low, high = NUMBERS[kind]
    if not low <= whole <= high:
        raise CodecError(f"{whole} does not fit {kind}: {low} to {high}")
    if kind.startswith("bcd"):
        return int(str(whole), 16)
    if FORMATS[kind] == "6s":
        return whole.to_bytes(6, "big", signed=kind == "int48")
    return whole


def _finite(raw: float) -> float | None:
    return raw if math.isfinite(raw) else None


def _text(encoding: str, raw: bytes) -> str | None:
    try:
        return raw.decode(encoding).rstrip("\0 ")
    except UnicodeDecodeError:
        return None


def _bcd(digits: int, raw: int) -> int | Unsound:
    """Four bits a digit."""
    text = f"{raw:0{digits}x}"
    return int(text) if text.isdecimal() else Unsound(f"{text} is not BCD")

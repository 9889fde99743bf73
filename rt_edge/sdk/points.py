"""Points of a device that can be read or written one by one, and what may be written to them (design 10: `read`, `write`)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import msgspec

from rt_edge.data.errors import RefusedError
from rt_edge.data.reading import Value

Kind = Literal["bool", "int", "float", "str", "bytes"]

RELATIVE = 1e-6
"""Two numbers that differ by less than this part of the larger one are the same: what float32 makes of a float."""

MAX_BYTES = 65_536
"""Bytes of the longest text or bytes that can be written."""

LEAST, MOST = -(2**63), 2**64 - 1
"""Whole numbers that MessagePack carries."""

SHOWN = 100
"""Characters of a value in a message."""

TRUE = ("true", "on", "1", "yes")
FALSE = ("false", "off", "0", "no")


class PointInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One point: what it holds, and the allow-list of commands to it.

    Attributes:
        kind: what a value of it is.
        writable: whether commands may set it; nothing else says so.
        readable: whether `DeviceAdapter.read` gives its value.
        min, max: least and greatest number that may be written; None: no bound.
        allowed: the only values that may be written; empty: all within the bounds.
        max_bytes: longest text (in UTF-8) or bytes; None: `MAX_BYTES`.
        step: the smallest difference that the device can hold, in units of the value; 0: it holds what it is given.
        relative: as `step`, as a part of the value.
        unit: unit of measure, for people.
    """

    kind: Kind = "float"
    writable: bool = False
    readable: bool = True
    min: float | None = None
    max: float | None = None
    allowed: tuple[Value, ...] = ()
    max_bytes: int | None = None
    step: float = 0.0
    relative: float = RELATIVE
    unit: str = ""

    def refusal(self, value: Value) -> str:
        """Why `value` may not be written; empty if it may."""
        if not self.writable:
            return "is not writable; say `writable: true` at the point"
        wrong = self._wrong_kind(value)
        if wrong:
            return wrong
        if self.allowed and not any(self.same(value, one) for one in self.allowed):
            known = ", ".join(map(repr, self.allowed[:8]))
            return f"takes {known}{' ...' if len(self.allowed) > 8 else ''}, not {_brief(value)}"
        if isinstance(value, (int, float)) and self.kind in ("int", "float"):
            if self.min is not None and value < self.min:
                return f"takes {self.bounds()}, not {_brief(value)}"
            if self.max is not None and value > self.max:
                return f"takes {self.bounds()}, not {_brief(value)}"
        return ""

    def _wrong_kind(self, value: Value) -> str:
        if self.kind == "bool":
            return "" if value in (0, 1) else f"takes true or false, not {_brief(value)}"
        if self.kind in ("int", "float"):
            if isinstance(value, int) and not isinstance(value, bool):
                return "" if LEAST <= value <= MOST else f"takes a number of at most 64 bits, not {_brief(value)}"
            if not isinstance(value, float) or not math.isfinite(value):
                return f"takes a finite number, not {_brief(value)}"
            return f"takes a whole number, not {_brief(value)}" if self.kind == "int" and not value.is_integer() else ""
        wanted, name = (str, "a text") if self.kind == "str" else (bytes, "bytes")
        if not isinstance(value, wanted):
            return f"takes {name}, not {_brief(value)}"
        try:
            size = len(value.encode()) if isinstance(value, str) else len(value)
        except UnicodeEncodeError:
            return f"takes text that can be encoded, not {_brief(value)}"
        most = MAX_BYTES if self.max_bytes is None else min(self.max_bytes, MAX_BYTES)
        if size > most:
            return f"takes at most {most} bytes, not {size}"
        return ""

    def plain(self, value: Value) -> Value:
        """A value that may be written, as what the point holds: 5.0 as 5 where it holds whole numbers, 1 as true."""
        if self.kind == "bool":
            return bool(value)
        return int(value) if self.kind == "int" else value

    def bounds(self) -> str:
        """The bounds in words: `0 to 100 bar`."""
        low, high = _shown(self.min), _shown(self.max)
        unit = f" {self.unit}" if self.unit else ""
        if self.min is None:
            return f"at most {high}{unit}"
        return f"at least {low}{unit}" if self.max is None else f"{low} to {high}{unit}"

    def same(self, one: Value, other: Value) -> bool:
        """Whether the device cannot tell two values apart: what is read back may be rounded."""
        if isinstance(one, (str, bytes)) or isinstance(other, (str, bytes)):
            return one == other
        nearly = max(abs(one), abs(other)) * self.relative if self.kind == "float" else 0.0
        # half a step is what rounding costs; a thousandth more forgives binary fractions
        return abs(one - other) <= max(nearly, self.step * 0.501)

    def parse(self, text: str) -> Value:
        """The value that a person wrote.

        Raises:
            RefusedError: not a value of this kind.
        """
        word = text.strip().lower()
        if self.kind == "bool":
            if word in TRUE or word in FALSE:
                return word in TRUE
            raise RefusedError(f"{_brief(text)} is neither true nor false", "write true or false")
        if self.kind == "str":
            return text
        if self.kind == "bytes":
            try:
                return bytes.fromhex(word.removeprefix("0x"))
            except ValueError:
                raise RefusedError(f"{_brief(text)} is not hexadecimal", "write bytes as hex digits: 0a ff") from None
        try:
            return int(word, 16) if "x" in word else int(word) if word.removeprefix("-").isdigit() else float(word)
        except ValueError:
            raise RefusedError(f"{_brief(text)} is not a number", "write a number, like 5 or 12.5") from None


def writable(points: Mapping[str, PointInfo]) -> bool:
    """Whether any of `points` is writable: `Capability.writable`."""
    return any(point.writable for point in points.values())


def _shown(number: float | None) -> str:
    return "" if number is None else f"{number:g}" if abs(number) < 1e6 else f"{number:.12g}"


def _brief(value: object) -> str:
    text = repr(value) if not isinstance(value, int) or abs(value) <= MOST else f"a number of {value.bit_length()} bits"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."

"""From one frame to fields: single values, text by a pattern or in columns; pure functions. See nmea.py and layout.py too."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from rt_edge.sdk import CodecError, ConfigError, Value

MAX_FIELDS = 256
"""Fields of one frame."""

_TRUE = frozenset({"1", "on", "true", "yes", "y", "t"})
_FALSE = frozenset({"0", "off", "false", "no", "n", "f"})
_INT = re.compile(r"[+-]?[0-9]{1,300}\Z")


class FrameError(CodecError):
    """A frame that is not what the settings say; `reason` is one word or two for the counter `dropped_REASON`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Parsed(NamedTuple):
    """What a frame says: fields, and tags that go with them."""

    fields: dict[str, Value]
    tags: dict[str, str]


class Parser(Protocol):
    """Makes fields of frames."""

    def __call__(self, payload: bytes) -> Parsed | None:
        """What it says; None for a frame that is right and not wanted.

        Raises:
            FrameError: it is not what the settings say.
        """
        ...


def wire_bytes(text: str) -> bytes:
    r"""Bytes as people write them: `hex:0d0a`, or text, each character a byte (`"\r\n"`, `"\x02"`; up to U+00FF).

    Raises:
        ConfigError: it is neither.
    """
    if text.startswith("hex:"):
        try:
            return bytes.fromhex(text[4:])
        except ValueError:
            raise ConfigError(f"{text!r} is not written in hexadecimal", "two digits a byte, like hex:0d0a") from None
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError as error:
        char = text[error.start]
        raise ConfigError(f"{char!r} is not one byte", "write what the instrument knows, or bytes like hex:c2b0") from None


def to_text(payload: bytes, encoding: str) -> str:
    """`payload` as text, without the line end."""
    try:
        return payload.decode(encoding).rstrip("\r\n\x00")
    except UnicodeDecodeError as error:
        raise FrameError("bad_text", f"byte 0x{payload[error.start]:02x} is not {encoding}") from None


def guess(text: str) -> int | float | str:
    """A number where it looks like one, else the text; `0012` and `1_000` stay text, since they may be names."""
    if _INT.match(text):
        digits = text.lstrip("+-")
        return int(text) if digits == "0" or not digits.startswith("0") or len(digits) < 2 else text
    if text[:1] in "+-.0123456789" and text[-1:] in ".0123456789" and "_" not in text:
        try:
            return float(text)
        except ValueError:
            return text
    return text


class TextValue:
    """One value that is written as text.

    Args:
        name: of the field.
        settings: `type`, `scale`, `offset`, `no_value`; None: guessed, as it is.
    """

    __slots__ = ("_name", "_none", "_offset", "_plain", "_scale", "_type")

    def __init__(self, name: str, settings: Any = None) -> None:
        self._name = name
        self._type: str = settings.type if settings is not None else "auto"
        self._scale: float = settings.scale if settings is not None else 1
        self._offset: float = settings.offset if settings is not None else 0
        self._none = frozenset(settings.no_value if settings is not None else ())
        self._plain = self._scale == 1 and self._offset == 0

    def __call__(self, text: str) -> Value | None:
        """The value; None where there is none: an empty text, one of `no_value`, not a number (NaN, infinity).

        Raises:
            FrameError: it is not of the type.
        """
        text = text.strip()
        if not text or text in self._none:
            return None
        value = self._read(text)
        if isinstance(value, str | bool):
            return value
        if isinstance(value, float) and not math.isfinite(value):
            return None
        if self._plain:
            return value
        scaled = value * self._scale + self._offset
        return scaled if math.isfinite(scaled) else None

    def _read(self, text: str) -> int | float | bool | str:
        try:
            match self._type:
                case "auto":
                    return guess(text)
                case "float":
                    if "_" in text:
                        raise ValueError
                    return float(text.replace(" ", ""))
                case "int":
                    if not _INT.match(text):
                        raise ValueError
                    return int(text)
                case "hex":
                    return int(text.removesuffix("h").removesuffix("H"), 16)
                case "bool":
                    lower = text.lower()
                    if lower not in _TRUE | _FALSE:
                        raise ValueError
                    return lower in _TRUE
                case _:
                    return text
        except ValueError:
            raise FrameError("bad_value", f"{self._name}: {text[:40]!r} is not {self._type}") from None
        except OverflowError:
            raise FrameError("bad_value", f"{self._name}: {text[:40]!r} is too large") from None


class Text:
    """The whole frame is one value."""

    def __init__(self, settings: Any) -> None:
        self._field: str = settings.field
        self._encoding: str = settings.encoding
        self._value = TextValue(settings.field, settings)

    def __call__(self, payload: bytes) -> Parsed | None:
        """See `Parser`."""
        value = self._value(to_text(payload, self._encoding))
        return Parsed({self._field: value} if value is not None else {}, {})


class Raw:
    """The whole frame as bytes."""

    def __init__(self, settings: Any) -> None:
        self._field: str = settings.field

    def __call__(self, payload: bytes) -> Parsed | None:
        """See `Parser`."""
        return Parsed({self._field: payload}, {})


class Pattern:
    """Text with a regular expression, whose named groups become fields."""

    def __init__(self, settings: Any) -> None:
        self._regex = re.compile(settings.pattern)
        self._encoding: str = settings.encoding
        self._values = {name: TextValue(name, settings.fields.get(name)) for name in self._regex.groupindex}

    def __call__(self, payload: bytes) -> Parsed | None:
        """See `Parser`."""
        text = to_text(payload, self._encoding)
        match = self._regex.search(text)
        if match is None:
            raise FrameError("no_match", f"{text[:80]!r} does not match the pattern")
        found = match.groupdict()
        return Parsed(_values({name: text for name, text in found.items() if text is not None}, self._values), {})


class Columns:
    """Text in columns."""

    def __init__(self, settings: Any) -> None:
        self._columns: Sequence[str] = settings.columns
        self._delimiter: str = settings.delimiter
        self._encoding: str = settings.encoding
        self._lenient: bool = settings.more_columns == "ignore"
        self._values = {name: TextValue(name, settings.fields.get(name)) for name in settings.columns if name}

    def __call__(self, payload: bytes) -> Parsed | None:
        """See `Parser`."""
        text = to_text(payload, self._encoding)
        if '"' in text:
            try:
                cells = next(csv.reader([text], delimiter=self._delimiter, strict=True), [])
            except csv.Error as error:
                raise FrameError("bad_columns", f"{text[:80]!r}: {error}") from None
        else:
            cells = text.split(self._delimiter)
        if len(cells) < len(self._columns) or (len(cells) > len(self._columns) and not self._lenient):
            raise FrameError("bad_columns", f"{len(cells)} cells where {len(self._columns)} columns are named: {text[:80]!r}")
        named = {name: cell for name, cell in zip(self._columns, cells, strict=False) if name}
        return Parsed(_values(named, self._values), {})


def _values(found: Mapping[str, str], values: Mapping[str, TextValue]) -> dict[str, Value]:
    fields: dict[str, Value] = {}
    for name, text in found.items():
        value = values[name](text)
        if value is not None:
            fields[name] = value
    return fields


def parser_of(settings: Any) -> Parser:
    """The parser of a `format`."""
    from adapters.serial.layout import Layout
    from adapters.serial.nmea import Nmea

    made: dict[str, type[Any]] = {
        "text": Text,
        "bytes": Raw,
        "regex": Pattern,
        "csv": Columns,
        "nmea": Nmea,
        "struct": Layout,
    }
    parser: Parser = made[settings.kind](settings)
    return parser

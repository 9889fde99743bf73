"""What all codecs share: rows, their bounds, and values as a Reading may hold them."""

from __future__ import annotations

import re

from rt_edge.data.errors import CodecError
from rt_edge.data.reading import Value

Row = tuple[int | None, dict[str, Value]]
"""Source time in nanoseconds (None: the payload has none) and the fields."""

MAX_ROWS = 65_536
"""Most rows of one payload."""
MAX_FIELDS = 1_000
"""Most fields of one row."""
MAX_DEPTH = 16
"""Deepest nesting of objects and arrays."""

INT_MIN, INT_MAX = -(2**63), 2**64 - 1
"""What MessagePack, and so a Reading on the way, can hold."""

_INT = re.compile(r"[+-]?[0-9]{1,20}\Z", re.ASCII)
_FLOAT = re.compile(r"[+-]?([0-9]{1,40}\.?[0-9]{0,40}|\.[0-9]{1,40})([eE][+-]?[0-9]{1,4})?\Z", re.ASCII)
_TRUE, _FALSE = frozenset({"true", "on", "yes", "1"}), frozenset({"false", "off", "no", "0"})


def to_int(text: str) -> int:
    """A decimal whole number within 64 bits.

    Raises:
        CodecError: it is none.
    """
    if _INT.match(text) and INT_MIN <= (value := int(text)) <= INT_MAX:
        return value
    raise CodecError(f"{shorten(text)} is not a whole number of 64 bits")


def to_float(text: str) -> float:
    """A decimal number; not-a-number and infinity are not numbers.

    Raises:
        CodecError: it is none.
    """
    if _FLOAT.match(text) and abs(value := float(text)) != float("inf"):
        return value
    raise CodecError(f"{shorten(text)} is not a number")


def to_bool(text: str) -> bool:
    """true/false, on/off, yes/no, 1/0, in any case.

    Raises:
        CodecError: another word.
    """
    word = text.lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise CodecError(f"{shorten(text)} is not true, false, on, off, yes, no, 1 or 0")


def guess(text: str) -> Value:
    """A cell of a table: a whole number, a number, true or false, else text."""
    if _INT.match(text) and INT_MIN <= (whole := int(text)) <= INT_MAX:
        return whole
    if _FLOAT.match(text) and abs(number := float(text)) != float("inf"):
        return number
    lowered = text.lower()
    return lowered == "true" if lowered in ("true", "false") else text


def to_text(payload: bytes) -> str:
    """UTF-8 text.

    Raises:
        CodecError: with the first bad byte's place.
    """
    try:
        return payload.decode()
    except UnicodeDecodeError as error:
        raise CodecError(f"byte {error.start} is not UTF-8") from None


def shorten(text: str) -> str:
    """`text` as Python writes it, at most 60 characters: payloads are foreign and may be long."""
    shown = repr(text[:80])
    return shown if len(shown) <= 60 else shown[:57] + "..."

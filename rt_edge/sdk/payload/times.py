"""Source times as payloads write them -> nanoseconds since 1970 UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Literal

from rt_edge.data.errors import CodecError

TimeFormat = Literal["auto", "iso8601", "s", "ms", "us", "ns"]

_SCALE = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_LATEST = 2**63
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?\Z", re.ASCII)
_NANOS = re.compile(r"[.,][0-9]{6}([0-9]{1,3})")


def parse_time(value: object, form: TimeFormat) -> int:
    """Nanoseconds since 1970 UTC.

    `auto` takes texts as ISO 8601 (or as a number), and numbers as seconds below 1e11, milliseconds below 1e14,
    microseconds below 1e17, nanoseconds above. A text without a zone is UTC.

    Raises:
        CodecError: not a time in that form, or out of range (1970 to 2262).
    """
    if isinstance(value, str):
        if form == "iso8601" or (form == "auto" and not _NUMBER.match(value)):
            return _in_range(_iso(value), value)
        if not _NUMBER.match(value):
            raise CodecError(f"{_short(value)} is not a time in {form}")
        value = float(value) if "." in value else int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or form == "iso8601":
        raise CodecError(f"{_short(value)} is not a time ({form})")
    scale = _SCALE[form] if form != "auto" else _guess(value)
    if isinstance(value, int):
        return _in_range(value * scale, value)
    if not 0 <= value < 1e19:
        raise CodecError(f"{_short(value)} is not a time between 1970 and 2262")
    # a double holds seconds of today to a quarter of a microsecond: more digits would be made up
    return _in_range(round(value * scale / 1000) * 1000 if scale >= 1000 else int(value), value)


def _guess(value: float) -> int:
    if value < 1e11:
        return 10**9
    if value < 1e14:
        return 10**6
    return 10**3 if value < 1e17 else 1


def _iso(text: str) -> int:
    if len(text) > 64:
        raise CodecError(f"{_short(text)} is not an ISO 8601 time")
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        micros = (moment - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        raise CodecError(f"{_short(text)} is not an ISO 8601 time") from None
    digits = _NANOS.search(text)
    return micros * 1000 + (int(digits[1].ljust(3, "0")) if digits else 0)


def _in_range(ts: int, value: object) -> int:
    if not 0 <= ts < _LATEST:
        raise CodecError(f"{_short(value)} is not a time between 1970 and 2262")
    return ts


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."

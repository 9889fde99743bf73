"""NMEA 0183 sentences (IEC 61162-1): `$GPGGA,...*hh`. Checksum, talker and type, and the fields of those that are common."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import reduce
from operator import xor
from typing import Any

from adapters.serial.codec import MAX_FIELDS, FrameError, Parsed, guess
from rt_edge.sdk import Value

SENTENCES: dict[str, tuple[str, ...]] = {
    "DBT": ("depth_ft", "", "depth_m", "", "depth_fathoms", ""),
    "DPT": ("depth_m", "offset_m", "range_m"),
    "GGA": (
        *("utc", "latitude", "latitude_side", "longitude", "longitude_side", "fix_quality:i", "satellites:i", "hdop"),
        *("altitude_m", "", "geoid_separation_m", "", "correction_age_s", "station:s"),
    ),
    "GLL": ("latitude", "latitude_side", "longitude", "longitude_side", "utc", "status:s", "mode:s"),
    "HDM": ("heading_magnetic", ""),
    "HDT": ("heading_true", ""),
    "MTW": ("water_temperature", "temperature_unit:s"),
    "MWV": ("wind_angle", "wind_reference:s", "wind_speed", "wind_speed_unit:s", "status:s"),
    "RMC": (
        *("utc", "status:s", "latitude", "latitude_side", "longitude", "longitude_side", "speed_knots", "course_true"),
        *("date:s", "magnetic_variation", "magnetic_side:s", "mode:s", "navigation_status:s"),
    ),
    "VHW": ("heading_true", "", "heading_magnetic", "", "speed_knots", "", "speed_kmh", ""),
    "VTG": ("course_true", "", "course_magnetic", "", "speed_knots", "", "speed_kmh", "", "mode:s"),
    "ZDA": ("utc", "day:i", "month:i", "year:i", "zone_hours:i", "zone_minutes:i"),
}
"""Type -> fields in their order; `""` is left out, `:s` stays text, `:i` is a whole number. Others become field_1, field_2, ...

Latitude and longitude become degrees, negative in the south and west.
"""

_HEX = re.compile(rb"[0-9A-Fa-f]{2}\Z")
_ADDRESS = re.compile(r"[A-Z0-9]{3,12}\Z")
_DEGREES = re.compile(r"([0-9]{1,3})([0-9]{2}(?:\.[0-9]*)?)\Z")
_SIDES = {"N": 1, "E": 1, "S": -1, "W": -1}


def checksum(body: bytes) -> int:
    """XOR of what stands between `$` (or `!`) and `*`."""
    return reduce(xor, body, 0)


def split(sentence: bytes, checked: bool) -> tuple[str, str, list[str]]:
    """Talker, type and data fields of a sentence.

    Args:
        sentence: without its line end; what stands before `$` or `!` is noise.
        checked: whether a sentence without a checksum is refused.

    Raises:
        FrameError: `bad_checksum`, `no_checksum`, `bad_sentence`.
    """
    sentence = sentence.rstrip(b"\r\n\x00 ")
    begin = max(sentence.rfind(b"$"), sentence.rfind(b"!"))
    if begin < 0:
        raise FrameError("bad_sentence", f"{sentence[:80]!r} has no $ or !")
    body, star, tail = sentence[begin + 1 :].partition(b"*")
    if star:
        if not _HEX.match(tail):
            raise FrameError("bad_checksum", f"{sentence[:80]!r} ends with no checksum of two digits")
        if int(tail, 16) != checksum(body):
            raise FrameError("bad_checksum", f"{sentence[:80]!r}: the checksum is {checksum(body):02X}")
    elif checked:
        raise FrameError("no_checksum", f"{sentence[:80]!r} has no checksum")
    try:
        address, *data = body.decode("ascii").split(",")
    except UnicodeDecodeError:
        raise FrameError("bad_sentence", f"{sentence[:80]!r} is not ASCII") from None
    if not _ADDRESS.match(address) or len(data) > MAX_FIELDS:
        raise FrameError("bad_sentence", f"{sentence[:80]!r} has no address of 3 to 12 letters and digits")
    if address.startswith("P"):  # proprietary: P, three letters of the maker, and what they like
        return "P", address[1:], data
    return address[:-3], address[-3:], data


def degrees(text: str, side: str) -> float | None:
    """`ddmm.mmmm` and N, S, E or W in degrees; None where nothing is given.

    Raises:
        FrameError: it is none.
    """
    if not text and not side:
        return None
    match, sign = _DEGREES.match(text), _SIDES.get(side)
    if match is None or sign is None or float(match[2]) >= 60 or int(match[1]) > 180:
        raise FrameError("bad_value", f"{text[:20]!r} {side[:4]!r} is not a latitude or longitude")
    return round(sign * (int(match[1]) + float(match[2]) / 60), 9)


class Nmea:
    """Sentences as Readings: the tags `talker` and `sentence`, and the fields by name."""

    def __init__(self, settings: Any) -> None:
        self._checked: bool = settings.checksum == "required"
        self._only = frozenset(settings.only)
        self._names: dict[str, Sequence[str]] = {**SENTENCES, **settings.sentences}

    def __call__(self, payload: bytes) -> Parsed | None:
        """See `adapters.serial.codec.Parser`."""
        talker, kind, data = split(payload, self._checked)
        if self._only and kind not in self._only:
            return None
        names = self._names.get(kind)
        if kind == "XDR" and names is None:
            fields = _transducers(data)
        elif names is None:
            fields = {f"field_{i}": guess(text) for i, text in enumerate(data, 1) if text}
        else:
            fields = _named(names, data)
        return Parsed(fields, {"talker": talker, "sentence": kind})


def _named(names: Sequence[str], data: Sequence[str]) -> dict[str, Value]:
    fields: dict[str, Value] = {}
    for index, (name, text) in enumerate(zip(names, data, strict=False)):  # newer versions of the standard have more at the end
        base, _, kind = name.partition(":")
        if base in ("latitude", "longitude") and names[index + 1 : index + 2] == (f"{base}_side",):
            value = degrees(text, data[index + 1] if index + 1 < len(data) else "")
            if value is not None:
                fields[base] = value
        elif base and text and not base.endswith("itude_side"):
            fields[base] = _typed(base, text, kind)
    return fields


def _typed(name: str, text: str, kind: str) -> Value:
    if kind == "s" or name == "utc":
        return text
    try:
        return int(text) if kind == "i" else _number(text)
    except ValueError:
        raise FrameError("bad_value", f"{name}: {text[:20]!r} is not a number") from None


def _number(text: str) -> Value:
    """Numbers as floats, so that a field has one type whatever it shows; letters stay."""
    return float(text) if text[:1] in "+-.0123456789" and "_" not in text else text


def _transducers(data: Sequence[str]) -> dict[str, Value]:
    """XDR: groups of type, value, unit, name."""
    fields: dict[str, Value] = {}
    for start in range(0, len(data) - 3, 4):
        kind, text, _, name = data[start : start + 4]
        if text:
            fields[name or f"{kind}_{start // 4 + 1}"] = _typed(name, text, "")
    return fields

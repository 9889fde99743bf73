"""Durations and sizes as people write them in a configuration: `250ms`, `60s`, `5min`, `256MB`."""

from __future__ import annotations

import re

from rt_edge.data.errors import ConfigError

_NUMBER = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-zµ]*)\s*\Z")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


class Duration(float):
    """Seconds; written as a number with a unit: us, ms, s, min, h, d."""


class Size(int):
    """Bytes; written as a number with a unit: B, kB, MB, GB, KiB, MiB, GiB."""


def parse_duration(value: object) -> Duration:
    """Seconds of `"250ms"`, `"60s"`, ...

    Raises:
        ConfigError: no unit, an unknown unit, a negative number, or not a text.
    """
    match = _NUMBER.match(value) if isinstance(value, str) else None
    if match is None or match[2] not in _SECONDS:
        raise ConfigError(f"{value!r} is not a duration", "write a number with a unit, like 250ms, 60s, 5min, 24h")
    return Duration(float(match[1]) * _SECONDS[match[2]])


def parse_size(value: object) -> Size:
    """Bytes of `"256MB"`, `"64KiB"`, ...

    Raises:
        ConfigError: no unit, an unknown unit, a negative number, or not a text.
    """
    match = _NUMBER.match(value) if isinstance(value, str) else None
    if match is None or match[2] not in _BYTES:
        raise ConfigError(f"{value!r} is not a size", "write a number with a unit, like 512B, 64KiB, 256MB, 2GB")
    return Size(float(match[1]) * _BYTES[match[2]])


def show_duration(seconds: float) -> str:
    """The shortest exact way to write it: 0.25 -> `250ms`, 90 -> `90s`, 3600 -> `1h`."""
    for unit, scale in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= scale and seconds % scale == 0:
            return f"{seconds / scale:g}{unit}"
    return f"{seconds:g}s" if seconds >= 1 or seconds == 0 else f"{seconds * 1000:g}ms"


def rough_duration(seconds: float) -> str:
    """For people, the two greatest units: 75 -> `75s`, 4523 -> `1h 15min`, 100000 -> `1d 3h`."""
    whole = round(seconds)
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if whole < 120:
        return f"{whole}s"
    if minutes < 60:
        return f"{minutes}min"
    return f"{hours}h {minutes % 60}min" if hours < 24 else f"{days}d {hours % 24}h"


def write_size(size: int) -> str:
    """The shortest exact way to write it: 65536 -> `64KiB`, 256000000 -> `256MB`, 1001 -> `1001B`."""
    ways = [f"{size // scale}{unit}" for unit, scale in _BYTES.items() if size % scale == 0 and (size or scale == 1)]
    return min(ways, key=len)


def show_size(size: int) -> str:
    """Rounded to three digits for people: 268435456 -> `268MB`."""
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= scale:
            return f"{size / scale:.3g}{unit}"
    return f"{size}B"

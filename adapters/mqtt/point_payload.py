"""Values of points to payloads and back: templates, texts, JSON. Pure functions."""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec

from rt_edge.sdk import CodecError, PointInfo, Value
from rt_edge.sdk.payload.json_rows import pointer
from rt_edge.sdk.payload.values import INT_MAX, INT_MIN, to_float, to_int, to_text

_PLACE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NAMES = frozenset({"value", "text", "key"})
_MISSING = object()


def info_of(settings: Any) -> PointInfo:
    """What a point takes; see `Point` in point_settings.py."""
    return PointInfo(
        kind=settings.type,
        writable=settings.writable,
        readable=settings.state is not None,
        min=settings.min,
        max=settings.max,
        allowed=tuple(settings.allowed),
        unit=settings.unit,
    )


def template_problem(template: str, kind: str) -> str:
    """What is wrong with a template; empty if nothing is."""
    for match in _PLACE.finditer(template):
        if match[0] in ("{{", "}}"):
            continue
        if match[1] not in _NAMES:
            return f"{match[0]!r} in the payload stands for nothing"
        if kind == "bytes" and match[1] != "key" and template != "{value}":
            return "bytes are the whole payload, or no part of it"
    return ""


def payload_of(settings: Any, value: Value, key: str) -> bytes:
    """The payload that sets a point to `value`: `{{` and `}}` are braces."""
    if isinstance(value, bytes):
        return value if settings.payload == "{value}" else fill(settings.payload, {"key": key}).encode()
    if settings.type == "bool":
        value = bool(value)
        text = settings.on if value else settings.off
    elif settings.type == "str":
        text = str(value)
    else:
        value = int(value) if settings.type == "int" else float(value)
        text = repr(value)
    shown = msgspec.json.encode(value).decode()
    if settings.payload == "{value}" and isinstance(value, (bool, str)):
        shown = text  # alone it is the payload itself, not a JSON string
    return fill(settings.payload, {"value": shown, "text": text, "key": key}).encode()


def fill(template: str, values: dict[str, str]) -> str:
    """A template with its names replaced."""
    return _PLACE.sub(lambda match: match[0][0] if match[1] is None else values.get(match[1], ""), template)


def value_of(settings: Any, payload: bytes) -> Value:
    """The value that a state topic shows.

    Raises:
        CodecError: it shows none of the point's type.
    """
    kind = settings.type
    if settings.at:
        found = inside(payload, settings.at)
        if found is _MISSING or found is None:
            raise CodecError(f"nothing at {settings.at}")
        return _typed(settings, found)
    if kind == "bytes":
        return payload
    text = to_text(payload).strip()
    return _typed(settings, text if kind == "str" else _loose(text))


def inside(payload: bytes, where: str) -> Any:
    """What a JSON Pointer finds in a JSON payload; a marker that equals nothing where it finds nothing.

    Raises:
        CodecError: not JSON.
    """
    try:
        found = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CodecError(f"not JSON: {error}") from None
    for step in pointer(where):
        if isinstance(found, dict):
            found = found.get(step, _MISSING)
        elif isinstance(found, list) and step.isdecimal() and len(step) < 8 and int(step) < len(found):
            found = found[int(step)]
        else:
            return _MISSING
    return found


def _loose(text: str) -> Any:
    """A text without quotes around it."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def _typed(settings: Any, found: Any) -> Value:
    kind = settings.type
    if kind == "bool":
        if isinstance(found, bool) or found in (0, 1):
            return bool(found)
        if isinstance(found, str) and found.lower() in (settings.on.lower(), settings.off.lower()):
            return bool(found.lower() == settings.on.lower())
    elif kind == "str" and isinstance(found, str):
        return found
    elif kind == "bytes" and isinstance(found, str):
        return found.encode()
    elif kind == "int":
        number = to_int(found) if isinstance(found, str) else found
        whole = isinstance(number, float) and number.is_integer()
        if (whole or isinstance(number, int)) and not isinstance(number, bool) and INT_MIN <= number <= INT_MAX:
            return int(number)
    elif kind == "float":
        number = to_float(found) if isinstance(found, str) else found
        if isinstance(number, (int, float)) and not isinstance(number, bool) and abs(number) < 1e308 and math.isfinite(number):
            return float(number)
    raise CodecError(f"{str(found)[:60]!r} is no {kind}")

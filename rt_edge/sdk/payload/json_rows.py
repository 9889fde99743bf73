"""Codec `json`: objects, nested objects (dotted names) and arrays of objects (one Reading each).

Other formats with the same data model (CBOR) derive from `DocumentCodec` and say how bytes become a document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from rt_edge.data.errors import CodecError
from rt_edge.data.reading import Value
from rt_edge.sdk.payload.times import TimeFormat, parse_time
from rt_edge.sdk.payload.values import INT_MAX, INT_MIN, MAX_DEPTH, MAX_FIELDS, MAX_ROWS, Row

_MISSING = object()
_DECODE = msgspec.json.Decoder().decode


class DocumentCodec:
    """Documents of objects, arrays and values.

    Args:
        at: JSON Pointer (RFC 6901) to the object, or array of objects, that holds the readings; empty: the document.
        fields: names kept, or field -> where (a dotted name, or a pointer that begins with `/`); None keeps every scalar.
        field: name of the field where the document is a bare value.
        time: dotted name or pointer of the source time, within each object.
        time_format: how it is written.
    """

    def __init__(
        self,
        at: str,
        fields: Sequence[str] | Mapping[str, str] | None,
        field: str,
        time: str | None,
        time_format: TimeFormat,
    ) -> None:
        self._at = pointer(at)
        self._at_text = at
        self._field = field
        self._time = None if time is None else path(time)
        self._time_name = time or ""
        self._time_format = time_format
        self._fields: list[tuple[str, str, tuple[str, ...]]] | None = None
        if fields is not None:
            pairs = fields.items() if isinstance(fields, Mapping) else [(name, name) for name in fields]
            self._fields = [(name, where, path(where)) for name, where in pairs]

    def parse(self, payload: bytes) -> Any:
        """The document in bytes.

        Raises:
            CodecError: it is none.
        """
        raise NotImplementedError

    def __call__(self, payload: bytes) -> list[Row]:
        """The rows; none for an empty payload, null or an object without values.

        Raises:
            CodecError: not such a document, or not what the settings say; with the place.
        """
        if not payload:
            return []
        document = self.parse(payload)
        if self._at:
            document = self._descend(document)
        if type(document) is list:
            return self._rows(document)
        row = self._row(document, "")
        return [row] if row[1] else []

    def _descend(self, document: Any) -> Any:
        for step in self._at:
            document = _step(document, step)
            if document is _MISSING:
                raise CodecError(f"nothing at {self._at_text}")
        return document

    def _rows(self, items: list[Any]) -> list[Row]:
        if len(items) > MAX_ROWS:
            raise CodecError(f"an array of {len(items)} elements, more than {MAX_ROWS}")
        rows = []
        for index, item in enumerate(items):
            if type(item) is not dict:
                raise CodecError(f"element {index} of the array is {_kind(item)}, not an object")
            row = self._row(item, f"element {index}: ")
            if row[1]:
                rows.append(row)
        return rows

    def _row(self, item: Any, place: str) -> Row:
        if type(item) is not dict:
            return None, {} if item is None else {self._field: _scalar(item, place or "the document")}
        ts = None
        if self._time is not None:
            ts = self._take_time(item, place)
        if self._fields is not None:
            return ts, self._select(item, place)
        fields: dict[str, Value] = {}
        _flatten(item, "", fields, place, 0)
        return ts, fields

    def _take_time(self, item: dict[str, Any], place: str) -> int:
        """The time; a top-level time field is taken out, so that it is not a field of the Reading."""
        assert self._time is not None
        steps = self._time
        value = item.pop(steps[0], _MISSING) if len(steps) == 1 else _find(item, self._time_name, steps)
        if value is _MISSING or value is None:
            raise CodecError(f"{place}the time field {self._time_name!r} is missing")
        try:
            return parse_time(value, self._time_format)
        except CodecError as error:
            raise CodecError(f"{place}time field {self._time_name!r}: {error.message}") from None

    def _select(self, item: dict[str, Any], place: str) -> dict[str, Value]:
        fields: dict[str, Value] = {}
        assert self._fields is not None
        for name, where, steps in self._fields:
            value = _find(item, where, steps)
            if value is _MISSING or value is None:
                continue
            if type(value) in (dict, list):
                _flatten({name: value}, "", fields, place, 0)
            else:
                fields[name] = _scalar(value, f"{place}{where}")
        return fields


class JsonCodec(DocumentCodec):
    """JSON documents; see `DocumentCodec` for the arguments."""

    def parse(self, payload: bytes) -> Any:
        """See `DocumentCodec`."""
        try:
            return _DECODE(payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise CodecError(f"not JSON: {error}") from None
        except RecursionError:
            raise CodecError("not JSON that can be read: nested too deep") from None


def pointer(text: str) -> tuple[str, ...]:
    """Steps of a JSON Pointer (RFC 6901).

    Raises:
        ValueError: it does not begin with `/`.
    """
    if not text:
        return ()
    if not text.startswith("/"):
        raise ValueError(f"{text!r} is not a JSON Pointer: it begins with /")
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in text[1:].split("/"))


def path(text: str) -> tuple[str, ...]:
    """Steps of a dotted name or of a pointer."""
    return pointer(text) if text.startswith("/") else tuple(text.split("."))


def _find(item: dict[str, Any], where: str, steps: tuple[str, ...]) -> Any:
    if where in item:
        return item[where]
    value: Any = item
    for step in steps:
        value = _step(value, step)
        if value is _MISSING:
            break
    return value


def _step(value: Any, step: str) -> Any:
    if type(value) is dict:
        return value.get(step, _MISSING)
    if type(value) is list and step.isdecimal() and step.isascii() and len(step) < 8 and int(step) < len(value):
        return value[int(step)]
    return _MISSING


def _flatten(item: dict[str, Any], prefix: str, fields: dict[str, Value], place: str, depth: int) -> None:
    """Every scalar under `item`, by dotted name; null is left out."""
    if depth > MAX_DEPTH:
        raise CodecError(f"{place}{prefix.rstrip('.')[:60]}: nested deeper than {MAX_DEPTH}")
    for key, value in item.items():
        kind = type(value)
        if kind is float or kind is str or kind is bool or kind is bytes:
            fields[prefix + key if prefix else key] = value
        elif kind is int:
            fields[prefix + key if prefix else key] = _scalar(value, f"{place}{prefix}{key}")
        elif kind is dict:
            _flatten(value, f"{prefix}{key}.", fields, place, depth + 1)
        elif kind is list:
            _flatten({str(index): v for index, v in enumerate(value)}, f"{prefix}{key}.", fields, place, depth + 1)
    if len(fields) > MAX_FIELDS:
        raise CodecError(f"{place}more than {MAX_FIELDS} fields")


def _scalar(value: Any, place: str) -> Value:
    if isinstance(value, (dict, list)):
        raise CodecError(f"{place} is {_kind(value)}, not a value")
    if type(value) is int and not INT_MIN <= value <= INT_MAX:
        raise CodecError(f"{place}: a whole number of more than 64 bits")
    return value  # type: ignore[no-any-return]


def _kind(value: Any) -> str:
    names: dict[type, str] = {dict: "an object", list: "an array", str: "a text", bool: "true or false", bytes: "a byte string"}
    return "null" if value is None else names.get(type(value), "a number")

"""Payloads -> rows of (time, fields, tags). By the settings, or by the Content-Format of the message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from adapters.coap import cbor
from adapters.coap.senml import Senml
from rt_edge.sdk import CodecError, Value
from rt_edge.sdk.payload.json_rows import JsonCodec
from rt_edge.sdk.payload.raw_rows import RawCodec
from rt_edge.sdk.payload.values import guess, to_text

TEXT, OCTETS, JSON, CBOR, SENML_JSON, SENML_CBOR = 0, 42, 50, 60, 110, 112
"""Content-Formats (RFC 7252, 12.3; RFC 8428, 12.3)."""
BY_FORMAT = {TEXT: "text", OCTETS: "octets", JSON: "json", CBOR: "cbor", SENML_JSON: "senml-json", SENML_CBOR: "senml-cbor"}


class Row(NamedTuple):
    """What becomes one Reading.

    Attributes:
        ts: nanoseconds since 1970 UTC; None where the payload says none.
        fields: name -> value.
        tags: name -> text, beside those of the resource: `unit.FIELD`.
    """

    ts: int | None
    fields: dict[str, Value]
    tags: dict[str, str]


NO_TAGS: dict[str, str] = {}
Decode = Callable[[bytes, int | None, int], list[Row]]
"""Payload, its Content-Format, and now in nanoseconds -> rows. Raises CodecError."""


class UnknownFormatError(CodecError):
    """A Content-Format that no codec reads."""


def make_codec(settings: Any) -> Decode:
    """The codec of one resource.

    Args:
        settings: a `Payload` (see settings.py), or an object with its attributes.
    """
    makers: dict[str, Callable[[], Callable[[bytes, int], list[Row]]]] = {
        "raw": lambda: _untagged(RawCodec(settings.field, settings.type)),
        "text": lambda: _untagged(lambda payload: [(None, {settings.field: guess(to_text(payload))})] if payload else []),
        "octets": lambda: _untagged(RawCodec(settings.field, "bytes")),
        "json": lambda: _untagged(JsonCodec(*_document(settings))),
        "cbor": lambda: _untagged(cbor.CborCodec(*_document(settings))),
        "senml-json": lambda: _senml(Senml(_json, settings.strip)),
        "senml-cbor": lambda: _senml(Senml(cbor.load, settings.strip)),
    }
    if settings.codec != "auto":
        fixed = makers[settings.codec]()
        return lambda payload, _form, now: fixed(payload, now)
    made = {name: makers[name]() for name in BY_FORMAT.values()}

    def auto(payload: bytes, form: int | None, now: int) -> list[Row]:
        name = BY_FORMAT.get(TEXT if form is None else form)
        if name is None:
            raise UnknownFormatError(f"Content-Format {form} is not read; name a codec if the payload is another format in truth")
        return made[name](payload, now)

    return auto


def _document(settings: Any) -> tuple[Any, ...]:
    return settings.at, settings.fields, settings.field, settings.time, settings.time_format


def _untagged(codec: Callable[[bytes], list[tuple[int | None, dict[str, Value]]]]) -> Callable[[bytes, int], list[Row]]:
    return lambda payload, _now: [Row(ts, fields, NO_TAGS) for ts, fields in codec(payload)]


def _senml(codec: Senml) -> Callable[[bytes, int], list[Row]]:
    def rows(payload: bytes, now: int) -> list[Row]:
        if not payload:
            return []
        return [Row(p.ts, p.fields, {f"unit.{name}": unit for name, unit in p.units.items()}) for p in codec(payload, now)]

    return rows


def _json(payload: bytes) -> Any:
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CodecError(f"not JSON: {error}") from None
    except RecursionError:
        raise CodecError("not JSON that can be read: nested too deep") from None

"""Payloads of Sparkplug B (Eclipse Sparkplug 3.0, 6.4): bytes -> metrics, and the one payload a host writes. No I/O."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

import msgspec

from adapters.mqtt.protobuf_wire import bytes_field, fields, float32, float64, number_field, signed, text
from rt_edge.sdk import CodecError, Value
from rt_edge.sdk.payload.values import MAX_FIELDS

INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64, FLOAT, DOUBLE, BOOLEAN, STRING, DATETIME, TEXT, UUID = range(1, 16)
BYTES, FILE = 17, 18
_SIGNED = {INT8: 8, INT16: 16, INT32: 32, INT64: 64}
_ARRAYS = {22: "b", 23: "h", 24: "i", 25: "q", 26: "B", 27: "H", 28: "I", 29: "Q", 30: "f", 31: "d", 34: "Q"}
_BOOLEANS, _STRINGS = 32, 33
_COMPOSED = frozenset({16, 19, 20, 21})
"""DataSet, Template, PropertySet, PropertySetList: not a value."""
REBIRTH = "Node Control/Rebirth"
MAX_METRICS = 65_536
"""Metrics of one payload."""


class Metric(msgspec.Struct):
    """One metric of a payload.

    Attributes:
        name: empty where only the alias is given.
        alias: stands for the name after the birth; None: none.
        time_ms: its own time, ms since 1970; None: the payload's.
        datatype: 0 where it is not said (it was in the birth).
        historical: not a current value.
        null: it has no value.
        quality: of its properties: 192 good, 500 stale, 0 bad; None: not said.
        raw: (field number, value) of the value; None: there is none.
    """

    name: str = ""
    alias: int | None = None
    time_ms: int | None = None
    datatype: int = 0
    historical: bool = False
    null: bool = False
    quality: int | None = None
    raw: tuple[int, int | bytes] | None = None


class Payload(msgspec.Struct):
    """A payload: `seq` is None where it has none (NDEATH, commands)."""

    time_ms: int | None
    seq: int | None
    metrics: list[Metric]


def decode_payload(data: bytes) -> Payload:
    """A payload.

    Raises:
        CodecError: not one, with the place.
    """
    payload = Payload(None, None, [])
    for number, _, value in fields(data):
        if number == 2 and isinstance(value, bytes):
            payload.metrics.append(_metric(value, len(payload.metrics)))
            if len(payload.metrics) > MAX_METRICS:
                raise CodecError(f"more than {MAX_METRICS} metrics")
        elif number == 1 and isinstance(value, int):
            payload.time_ms = value
        elif number == 3 and isinstance(value, int):
            payload.seq = value
    return payload


def _metric(data: bytes, index: int) -> Metric:
    metric = Metric()
    try:
        for number, _, value in fields(data):
            if 10 <= number <= 19:
                metric.raw = number, value
            elif isinstance(value, bytes):
                if number == 1:
                    metric.name = text(value)
                elif number == 9:
                    metric.quality = _quality(value)
            elif number == 2:
                metric.alias = value
            elif number == 3:
                metric.time_ms = value
            elif number == 4:
                metric.datatype = value
            elif number == 5:
                metric.historical = bool(value)
            elif number == 7:
                metric.null = bool(value)
    except CodecError as error:
        raise CodecError(f"metric {index}{f' ({metric.name[:60]})' if metric.name else ''}: {error.message}") from None
    return metric


def _quality(data: bytes) -> int | None:
    """The property `Quality` (6.4.7); its key and its value stand at the same place of two lists."""
    keys: list[bytes] = []
    values: list[bytes] = []
    for number, _, value in fields(data):
        if isinstance(value, bytes):
            (keys if number == 1 else values).append(value)
    for key, raw in zip(keys, values, strict=False):
        if key == b"Quality":
            for number, _, value in fields(raw):
                if number in (3, 4) and isinstance(value, int):
                    return value
    return None


def values_of(metric: Metric, name: str, datatype: int) -> dict[str, Value]:
    """The fields of a metric: one, or `NAME.0`, `NAME.1`, ... of an array; none where it is null.

    Raises:
        CodecError: a type that is no value, or a value that is not of its type.
    """
    if metric.null or metric.raw is None:
        return {}
    number, raw = metric.raw
    if datatype in _COMPOSED or number in (17, 18, 19):
        raise CodecError(f"{name[:60]}: a data set or template (type {datatype}) is not read")
    if datatype in _ARRAYS or datatype in (_BOOLEANS, _STRINGS):
        if not isinstance(raw, bytes):
            raise CodecError(f"{name[:60]}: an array that is not bytes")
        items = _array(raw, datatype, name)
        if len(items) > MAX_FIELDS:
            raise CodecError(f"{name[:60]}: an array of {len(items)} values, more than {MAX_FIELDS}")
        return {f"{name}.{index}": item for index, item in enumerate(items) if not _unreal(item)}
    value = _scalar(number, raw, datatype, name)
    return {} if _unreal(value) else {name: value}


def _unreal(value: Value) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _scalar(number: int, raw: int | bytes, datatype: int, name: str) -> Value:
    if isinstance(raw, bytes):
        if number == 15:
            return text(raw)
        if number == 16:
            return raw
    else:
        readers: dict[int, Callable[[int], Value]] = {12: float32, 13: float64, 14: bool}
        if number in readers:
            return readers[number](raw)
        if number in (10, 11):
            bits = _SIGNED.get(datatype)
            return raw if bits is None else signed(raw, bits)
    raise CodecError(f"{name[:60]}: a value that is not written as one (field {number})")


def _array(raw: bytes, datatype: int, name: str) -> list[Value]:
    """Arrays are packed bytes, least significant first (6.4.16)."""
    if datatype == _STRINGS:
        return [text(part) for part in raw.removesuffix(b"\0").split(b"\0")] if raw else []
    if datatype == _BOOLEANS:
        count = int.from_bytes(raw[:4], "little")
        if len(raw) < 4 or count > (len(raw) - 4) * 8:
            raise CodecError(f"{name[:60]}: an array of booleans that is cut off")
        return [bool(raw[4 + index // 8] & 128 >> index % 8) for index in range(count)]
    code = _ARRAYS[datatype]
    size = struct.calcsize(f"<{code}")
    if len(raw) % size:
        raise CodecError(f"{name[:60]}: an array of {len(raw)} bytes, each value having {size}")
    return list(struct.unpack(f"<{len(raw) // size}{code}", raw))


def rebirth_request(time_ms: int) -> bytes:
    """What an NCMD says to have an edge node send its births again (6.4.10)."""
    metric = bytes_field(1, REBIRTH) + number_field(3, time_ms) + number_field(4, BOOLEAN) + number_field(14, 1)
    return number_field(1, time_ms) + bytes_field(2, metric)

"""Payload codecs: what they read, and that nothing foreign takes them down."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.mqtt.codec_csv import CsvCodec
from adapters.mqtt.codec_msgpack import MsgpackCodec
from rt_edge.sdk import CodecError
from rt_edge.sdk.payload.json_rows import JsonCodec
from rt_edge.sdk.payload.raw_rows import RawCodec
from rt_edge.sdk.payload.times import TimeFormat, parse_time
from rt_edge.sdk.payload.values import Row


def json_codec(at: str = "", fields: Any = None, time: str | None = None, form: TimeFormat = "auto") -> JsonCodec:
    return JsonCodec(at, fields, "value", time, form)


def csv_codec(columns: list[str] | None = None, fields: Any = None, time: str | None = None, delimiter: str = ",") -> CsvCodec:
    return CsvCodec(columns or [], fields, delimiter, time, "auto")


def test_json_gives_dotted_names_when_objects_are_nested() -> None:
    """Every scalar is a field; null is not a value; arrays inside count their elements."""
    rows = json_codec()(b'{"a": 1, "b": {"c": 2.5, "d": {"e": true}}, "f": null, "g": "x", "h": [7, {"i": 8}]}')
    assert rows == [(None, {"a": 1, "b.c": 2.5, "b.d.e": True, "g": "x", "h.0": 7, "h.1.i": 8})]


def test_json_gives_one_row_an_element_when_it_is_an_array() -> None:
    """Batched payloads become several Readings, each with its own time."""
    rows = json_codec(at="/d/r", time="ts")(b'{"d": {"r": [{"ts": 1700000000, "v": 1}, {"ts": 1700000001000, "v": 2}]}}')
    assert rows == [(1_700_000_000 * 10**9, {"v": 1}), (1_700_000_001 * 10**9, {"v": 2})]


def test_json_keeps_only_the_chosen_fields_when_fields_are_named() -> None:
    """A list keeps names, a mapping renames; dotted names and pointers reach inside; what is missing is left out."""
    payload = b'{"s": {"t": 21.5, "h": 40}, "a.b": 1, "x/y": 2, "l": [1, 2]}'
    assert json_codec(fields=["s.t", "a.b", "none"])(payload) == [(None, {"s.t": 21.5, "a.b": 1})]
    wanted = {"temperature": "/s/t", "slash": "/x~1y", "second": "/l/1"}
    assert json_codec(fields=wanted)(payload) == [(None, {"temperature": 21.5, "slash": 2, "second": 2})]


def test_json_takes_a_bare_value_when_the_document_is_one() -> None:
    """A number alone is the field `value`; an empty payload, null and an empty object are no Reading."""
    assert json_codec()(b"23.5") == [(None, {"value": 23.5})]
    assert json_codec()(b"") == json_codec()(b"null") == json_codec()(b"{}") == json_codec()(b"[]") == []


@pytest.mark.parametrize(
    ("payload", "at", "time", "says"),
    [
        (b'{"a": ', "", None, "truncated"),
        (b"\xff\xfe", "", None, "not JSON"),
        (b'{"a": NaN}', "", None, "byte 6"),
        (b'{"a": 123456789012345678901}', "", None, "a: a whole number of more than 64 bits"),
        (b'[{"a": 1}, 5]', "", None, "element 1"),
        (b'{"a": 1}', "/b", None, "nothing at /b"),
        (b'{"a": 1}', "", "ts", "'ts' is missing"),
        (b'[{"ts": 1}, {"ts": "noon"}]', "", "ts", "element 1: time field 'ts': 'noon'"),
        (b"[" * 100_000 + b"]" * 100_000, "", None, "deep"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "", None, "deeper"),
    ],
)
def test_json_names_place_and_reason_when_the_payload_is_bad(payload: bytes, at: str, time: str | None, says: str) -> None:
    """A poison payload is one CodecError, with where and why."""
    with pytest.raises(CodecError, match=says):
        json_codec(at=at, time=time)(payload)


@pytest.mark.parametrize(
    ("value", "form", "expected"),
    [
        ("2023-11-14T22:13:20Z", "auto", 1_700_000_000_000_000_000),
        ("2023-11-14T23:13:20.123456789+01:00", "iso8601", 1_700_000_000_123_456_789),
        ("2023-11-14 22:13:20", "auto", 1_700_000_000_000_000_000),
        (1_700_000_000, "auto", 1_700_000_000_000_000_000),
        (1_700_000_000_123, "auto", 1_700_000_000_123_000_000),
        (1_700_000_000_123_456, "auto", 1_700_000_000_123_456_000),
        (1_700_000_000_123_456_789, "auto", 1_700_000_000_123_456_789),
        (1_700_000_000.25, "auto", 1_700_000_000_250_000_000),
        ("1700000000", "s", 1_700_000_000_000_000_000),
        (5, "ms", 5_000_000),
    ],
)
def test_time_is_nanoseconds_when_written_in_a_known_form(value: Any, form: TimeFormat, expected: int) -> None:
    """ISO 8601 and seconds, milli, micro, nano since 1970, by type and size or as told."""
    assert parse_time(value, form) == expected


@pytest.mark.parametrize(
    ("value", "form"),
    [("yesterday", "auto"), (-1, "s"), (True, "auto"), ("12:00", "s"), (1e300, "s"), (5, "iso8601"), ([], "auto")],
)
def test_time_is_refused_when_it_is_none(value: Any, form: TimeFormat) -> None:
    """What is not a time between 1970 and 2262 is an error, not a guess."""
    with pytest.raises(CodecError):
        parse_time(value, form)


def test_raw_reads_one_value_when_it_has_the_type() -> None:
    """Text, bytes, numbers and truth values as devices write them."""
    assert RawCodec("v", "float")(b" 21.5 ") == [(None, {"v": 21.5})]
    assert RawCodec("v", "int")(b"-7") == [(None, {"v": -7})]
    assert RawCodec("v", "bool")(b"ON") == [(None, {"v": True})]
    assert RawCodec("v", "str")("grün".encode()) == [(None, {"v": "grün"})]
    assert RawCodec("v", "bytes")(b"\x00\xff") == [(None, {"v": b"\x00\xff"})]
    assert RawCodec("v", "int")(b"") == []


@pytest.mark.parametrize(
    ("type_", "payload"),
    [
        ("int", b"1.5"),
        ("int", b"1_000"),
        ("int", b"9" * 30),
        ("float", b"nan"),
        ("float", b"1e999"),
        ("bool", b"2"),
        ("str", b"\xff"),
    ],
)
def test_raw_refuses_a_value_when_it_has_another_type(type_: str, payload: bytes) -> None:
    """No half-reading of numbers, no infinity, no bad UTF-8."""
    with pytest.raises(CodecError):
        RawCodec("v", type_)(payload)


def test_csv_gives_one_row_a_line_when_columns_are_named() -> None:
    """Columns by settings or by a header; cells become numbers where they are; blanks are left out."""
    assert csv_codec(["ts", "t", "ok", "note"], time="ts")(b"1700000000,21.5,true,hi\n\n1700000001,,false,\n") == [
        (1_700_000_000 * 10**9, {"t": 21.5, "ok": True, "note": "hi"}),
        (1_700_000_001 * 10**9, {"ok": False}),
    ]
    assert csv_codec(delimiter=";")(b'a;b\r\n1;"x;y"\r\n') == [(None, {"a": 1, "b": "x;y"})]
    assert csv_codec(["a", "", "c"], fields={"n": "c"})(b"1,2,3") == [(None, {"n": 3})]


@pytest.mark.parametrize(
    ("payload", "says"),
    [(b"1,2,3", "line 1: 3 cells"), (b'1,2\n"x,2', "line 2"), (b"\xff,1", "byte 0"), (b"noon,1", "line 1.*noon")],
)
def test_csv_names_the_line_when_it_is_bad(payload: bytes, says: str) -> None:
    """A broken line is an error with its number."""
    with pytest.raises(CodecError, match=says):
        csv_codec(["ts", "v"], time="ts")(payload)


def _storable(rows: list[Row]) -> None:
    msgspec.msgpack.encode(rows)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_codecs_raise_nothing_else_when_bytes_are_random(payload: bytes) -> None:
    """Any bytes give rows that can be stored, or a CodecError."""
    for codec in (json_codec(), csv_codec(), csv_codec(["a", "b"], time="a"), RawCodec("v", "float"), RawCodec("v", "str")):
        with contextlib.suppress(CodecError):
            _storable(codec(payload))


_documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(_documents, st.sampled_from(["", "/a", "/0"]), st.sampled_from([None, ["a"], {"x": "/a/0"}]), st.sampled_from([None, "a"]))
def test_json_raises_nothing_else_when_documents_are_random(document: Any, at: str, fields: Any, time: str | None) -> None:
    """Any document gives rows that can be stored, or a CodecError."""
    try:
        payload = msgspec.json.encode(document)
    except OverflowError:
        return
    with contextlib.suppress(CodecError):
        _storable(json_codec(at, fields, time)(payload))


@pytest.mark.parametrize(
    ("document", "rows"),
    [
        (
            {"a": 1, "b": {"c": 2.5}, "raw": b"\x00", "gone": None, "nan": float("nan")},
            [(None, {"a": 1, "b.c": 2.5, "raw": b"\x00"})],
        ),
        ([{"a": 1}, {"a": True}], [(None, {"a": 1}), (None, {"a": True})]),
        ({1: "x"}, [(None, {"1": "x"})]),
        (7, [(None, {"value": 7})]),
    ],
)
def test_messagepack_is_read_as_json_is(document: Any, rows: list[Any]) -> None:
    """Names that are numbers become texts, bytes are values, null and not-a-number are none."""
    codec = MsgpackCodec("", None, "value", None, "auto")
    assert codec(msgspec.msgpack.encode(document)) == rows


def test_messagepack_times_are_times_and_other_extensions_no_values() -> None:
    """The timestamp extension as source time; what is not MessagePack, or an extension of somebody's own, is said to be none."""
    codec = MsgpackCodec("", None, "value", "at", "auto")
    at = datetime(2023, 11, 14, 22, 13, 20, 500_000, tzinfo=UTC)
    assert codec(msgspec.msgpack.encode({"at": at, "n": 1})) == [(1_700_000_000_500_000_000, {"n": 1})]
    for bad, says in ((b"\xc1", "not MessagePack"), (b"\x91" * 100_000, "nested too deep"), (b"\x81\xa1n\xd4\x05\x00", "type 5")):
        with pytest.raises(CodecError, match=says):
            MsgpackCodec("", None, "value", None, "auto")(bad)

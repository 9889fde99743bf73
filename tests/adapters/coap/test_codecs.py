"""Payload codecs: the packs of RFC 8428, CBOR, the choice by Content-Format, and bytes that are none of these."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.coap import cbor
from adapters.coap.codec import UnknownFormatError, make_codec
from adapters.coap.senml import MAX_RECORDS, Senml
from rt_edge.data.errors import CodecError

NOW = 1_700_000_000 * 10**9
LABELS = {"bver": -1, "bn": -2, "bt": -3, "bu": -4, "bv": -5, "bs": -6}
LABELS |= {"n": 0, "u": 1, "v": 2, "vs": 3, "vb": 4, "s": 5, "t": 6, "ut": 7, "vd": 8}


def codec(name: str = "auto", **options: Any) -> Any:
    given_ = {"codec": name, "field": "value", "type": "str", "at": "", "fields": None, "time": None, "time_format": "auto"}
    return make_codec(SimpleNamespace(**{**given_, "strip": "", **options}))


def as_cbor(pack: list[dict[str, Any]]) -> bytes:
    return cbor2.dumps([{LABELS[key]: value for key, value in record.items()} for record in pack])


def both(pack: list[dict[str, Any]], **options: Any) -> list[Any]:
    """The rows of a pack, which are the same in both forms."""
    in_json = codec("senml-json", **options)(json.dumps(pack).encode(), None, NOW)
    assert in_json == codec("senml-cbor", **options)(as_cbor(pack), None, NOW)
    return in_json


def test_one_record_is_one_field_when_a_pack_is_the_shortest() -> None:
    """RFC 8428, 5.1.1."""
    assert both([{"n": "urn:dev:ow:10e2073a01080063", "u": "Cel", "v": 23.1}]) == [
        (None, {"urn:dev:ow:10e2073a01080063": 23.1}, {"unit.urn:dev:ow:10e2073a01080063": "Cel"})
    ]


def test_base_name_time_and_unit_are_resolved_when_a_pack_has_them() -> None:
    """RFC 8428, 5.1.2: records of one time are one row, in the order of their first appearance."""
    pack = [
        {"bn": "urn:dev:ow:10e2073a0108006:", "bt": 1276020076, "bu": "A", "bver": 5, "n": "voltage", "u": "V", "v": 120.1},
        {"n": "current", "t": -5, "v": 1.2},
        {"n": "current", "t": -4, "v": 1.3},
        {"n": "current", "v": 1.7},
    ]
    rows = both(pack, strip="urn:dev:ow:10e2073a0108006:")
    at = 1276020076 * 10**9
    assert rows == [
        (at, {"voltage": 120.1, "current": 1.7}, {"unit.voltage": "V", "unit.current": "A"}),
        (at - 5 * 10**9, {"current": 1.2}, {"unit.current": "A"}),
        (at - 4 * 10**9, {"current": 1.3}, {"unit.current": "A"}),
    ]


def test_times_are_relative_to_now_when_they_are_small() -> None:
    """RFC 8428, 4.5.3: below 2**28 a time counts from now."""
    rows = both([{"bn": "x", "bt": -10, "v": 1}, {"t": 10, "v": 2}])
    assert [row.ts for row in rows] == [NOW - 10 * 10**9, NOW]


def test_all_kinds_of_values_are_read_when_a_pack_has_them() -> None:
    """RFC 8428, 5.1.4: text, true and false, data; base value and sum."""
    pack: list[dict[str, Any]] = [
        {"bn": "d:", "bv": 100, "bs": 5, "n": "temp", "v": 3},
        {"n": "label", "vs": "Machine Room"},
        {"n": "open", "vb": False},
        {"n": "energy", "s": 7},
        {"n": "both", "v": 1, "s": 1},
    ]
    (row,) = both(pack)
    assert row.fields == {
        "d:temp": 103,
        "d:label": "Machine Room",
        "d:open": False,
        "d:energy.sum": 12,
        "d:both": 101,
        "d:both.sum": 6,
    }
    data = codec("senml-json")(b'[{"n":"nfv-reader","vd":"aGkgCg"}]', None, NOW)
    assert data[0].fields == {"nfv-reader": b"hi \n"}
    assert codec("senml-cbor")(as_cbor([{"n": "nfv-reader", "vd": b"hi \n"}]), None, NOW) == data


def test_a_name_that_comes_twice_makes_another_row_when_the_time_is_the_same() -> None:
    """Nothing is overwritten."""
    rows = both([{"n": "a", "v": 1}, {"n": "a", "v": 2}, {"n": "b", "v": 3}])
    assert [row.fields for row in rows] == [{"a": 1, "b": 3}, {"a": 2}]


@pytest.mark.parametrize(
    ("pack", "words"),
    [
        ({}, "array"),
        ([1], "record 0: not an object"),
        ([{"v": 1}], "is not a name"),
        ([{"n": "a", "v": "1"}], "record 0: v is not a number"),
        ([{"n": "a", "v": True}], "v is not a number"),
        ([{"n": "a", "v": 1, "vs": "x"}], "both v and vs"),
        ([{"n": "ok", "v": 1}, {"n": "a", "vb": 1}], "record 1: vb"),
        ([{"n": "a", "bver": 11, "v": 1}], "newer"),
        ([{"n": "a", "v": 1, "need_": 1}], "must be understood"),
        ([{"n": "a", "v": 1, "t": 1e30}], "1970"),
        ([{"n": "a", "vd": "%%%"}], "base64url"),
        ([{"n": "a" * 300, "v": 1}], "is not a name"),
        ([{"n": "a", "v": 1}] * (MAX_RECORDS + 1), "more than"),
    ],
)
def test_place_and_reason_are_said_when_a_pack_is_wrong(pack: Any, words: str) -> None:
    """A bad pack is one error, never a part of its records."""
    with pytest.raises(CodecError, match=words):
        codec("senml-json")(json.dumps(pack).encode(), None, NOW)


def test_labels_that_need_not_be_understood_are_passed_over() -> None:
    """RFC 8428, 4.4."""
    assert codec("senml-json")(b'[{"n":"a","v":1,"ut":5,"color":"red"}]', None, NOW)[0].fields == {"a": 1}
    assert codec("senml-cbor")(cbor2.dumps([{0: "a", 2: 1, 99: "later"}]), None, NOW)[0].fields == {"a": 1}


def test_paths_lead_into_cbor_as_into_json_when_a_codec_has_them() -> None:
    """Keys that are numbers are written as text; byte strings are values."""
    options = {"at": "/data", "fields": {"energy": "e.total", "raw": "b", "n": "7"}, "time": "ts", "time_format": "s"}
    rows = codec("cbor", **options)(cbor2.dumps({"data": [{"e": {"total": 5.5}, "b": b"\x01", 7: -1, "ts": 17}]}), None, NOW)
    assert rows == [(17 * 10**9, {"energy": 5.5, "raw": b"\x01", "n": -1}, {})]


@pytest.mark.parametrize(
    ("form", "payload", "fields"),
    [
        (None, b"21.5", {"value": 21.5}),
        (0, b"on", {"value": "on"}),
        (42, b"\x00\xff", {"value": b"\x00\xff"}),
        (50, b'{"a": {"b": 1}}', {"a.b": 1}),
        (60, cbor2.dumps({"a": True}), {"a": True}),
        (110, b'[{"n":"x","v":1}]', {"x": 1}),
        (112, cbor2.dumps([{0: "x", 2: 1}]), {"x": 1}),
    ],
)
def test_content_format_decides_when_no_codec_is_named(form: int | None, payload: bytes, fields: dict[str, Any]) -> None:
    """Each registered number leads to its codec; none is text."""
    assert [row.fields for row in codec()(payload, form, NOW)] == [fields]


def test_an_unknown_content_format_is_an_error_when_no_codec_is_named() -> None:
    """It is not guessed."""
    with pytest.raises(UnknownFormatError):
        codec()(b"<xml/>", 41, NOW)


@pytest.mark.parametrize(
    "payload",
    [
        b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff",  # an array that says it has 2**63-1 items
        b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",  # a byte string of that length
        b"\xbb\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\x81" * 5000,
        b"\xd8\x1d\x00",  # a reference to a shared value
        b"\xc2\x58\x20" + b"\xff" * 32,  # a big number
        b"\xc1\x1a\x00\x00\x00\x00",  # a date
        b"\xf9\x7e\x00",  # not a number
        b"\xa1\x80\x01",  # an array as a key
        b"\x01\x01",
        b"",
        b"\x1c",
        b"\x9f\x01",
    ],
)
def test_hostile_cbor_is_an_error_when_it_is_read(payload: bytes) -> None:
    """No memory is taken by what a length says, nothing is nested without end, no tag does anything."""
    with pytest.raises(CodecError):
        cbor.load(payload)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["auto", "json", "cbor", "senml-json", "senml-cbor", "text"]))
def test_any_bytes_are_rows_or_an_error_when_they_are_read(payload: bytes, name: str) -> None:
    """No other exception leaves a codec."""
    decode = codec(name)
    for form in (None, 0, 42, 50, 60, 110, 112) if name == "auto" else (None,):
        try:
            rows = decode(payload, form, NOW)
        except CodecError:
            continue
        for row in rows:
            assert row.fields
            assert all(type(value) in (int, float, bool, str, bytes) for value in row.fields.values())


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9:./_-]{0,8}", fullmatch=True)
RECORDS = st.fixed_dictionaries(
    {"n": NAMES, "v": st.integers(-1000, 1000)}, optional={"t": st.integers(-100, 100), "bt": st.integers(2**28, 2**31)}
)


@settings(max_examples=200, deadline=None)
@given(st.lists(RECORDS, min_size=1, max_size=12))
def test_rows_are_what_the_obvious_resolution_says_when_packs_are_random(pack: list[dict[str, Any]]) -> None:
    """Against a resolver that makes one record of each, as RFC 8428, 4.6 describes."""
    expected, base = [], None
    for record in pack:
        base = record.get("bt", base)
        if base is None and "t" not in record:
            ts = None
        else:
            total = (base or 0) + record.get("t", 0)
            ts = total * 10**9 if total >= 2**28 else NOW + total * 10**9
        expected.append((ts, record["n"], record["v"]))
    got = [
        (row.ts, name, value)
        for row in Senml(json.loads, "")(json.dumps(pack).encode(), NOW)
        for name, value in row.fields.items()
    ]
    key = lambda one: (one[0] or 0, one[1], one[2])  # noqa: E731
    assert sorted(got, key=key) == sorted(expected, key=key)

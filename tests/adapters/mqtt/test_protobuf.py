"""Protobuf payloads, judged by what Google's library wrote (protobuf_golden.json, from acme.proto), and Sparkplug B on top."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.mqtt.codec import make_codec
from adapters.mqtt.codec_protobuf import ProtobufCodec, Schema
from adapters.mqtt.sparkplug_payload import decode_payload, rebirth_request, values_of
from rt_edge.sdk import CodecError, FatalAdapterError

GOLDEN = json.loads((Path(__file__).parent / "protobuf_golden.json").read_text())
ACME = zlib.decompress(base64.b85decode(GOLDEN["descriptors"]))
OLD = zlib.decompress(base64.b85decode(GOLDEN["old"]))


def codec(message: str = "acme.Sample", data: bytes = ACME, **options: Any) -> ProtobufCodec:
    given = {"at": "", "fields": None, "time": None, "time_format": "auto", **options}
    return ProtobufCodec(Schema(data), message, **given)


def as_json(document: dict[str, Any]) -> dict[str, Any]:
    """Our document the way Google's library shows messages in JSON."""
    shown = {name: value for name, value in document.items() if value != []}
    for name in ("i64", "u64", "s64", "f64", "sf64", "ts"):
        shown[name] = str(shown[name])
    shown["raw"] = base64.b64encode(shown["raw"]).decode()
    if "at" in shown:
        assert shown["at"] == {"seconds": 1_700_000_000, "nanos": 0}
        shown["at"] = "2023-11-14T22:13:20Z"
    return shown


@pytest.mark.parametrize("number", range(12))
def test_is_what_the_library_says_when_a_message_is_read(number: int) -> None:
    """All scalar types at their ends, enums with unknown numbers, nested, packed and not, maps, oneofs, presence."""
    payload, wanted = GOLDEN["samples"][number]
    assert as_json(codec().parse(bytes.fromhex(payload))) == {k: v for k, v in wanted.items() if v not in ([], {})}


def test_zero_is_a_value_when_the_field_has_no_presence() -> None:
    """proto3 does not write a zero: an empty payload is a message of zeros, and `optional`, oneofs and messages are not there."""
    found = codec().parse(b"")
    assert found["temperature"] == 0.0
    assert found["mode"] == "IDLE"
    assert not {"maybe", "left", "right", "inner", "list", "at"} & set(found)
    (payload,) = [payload for payload, _ in GOLDEN["old_samples"]]
    assert codec("old.Reading", OLD).parse(bytes.fromhex(payload)) == {"id": 5, "many": [1, 2]}


def test_number_has_64_bits_when_more_are_written() -> None:
    """Ten bytes can hold 70 bits: what is beyond 64 does not count, as in Google's library."""
    assert codec().parse(b"\x30" + b"\xff" * 9 + b"\x7f")["u64"] == 2**64 - 1


def test_rows_are_readings_when_places_and_times_are_named() -> None:
    """Fields by name, the time taken out, repeated messages as Readings."""
    payload = bytes.fromhex(GOLDEN["samples"][1][0])
    ((ts, fields),) = codec(fields=["temperature", "inner.b"], time="ts", time_format="s")(payload)
    assert (ts, fields) == (1_700_000_000 * 10**9, {"temperature": 21.25, "inner.b": "x"})
    assert codec(at="/rows")(payload) == [(None, {"a": 1, "b": ""}), (None, {"a": 2, "b": ""})]


@pytest.mark.parametrize(
    ("data", "message", "says"),
    [
        (ACME, "acme.Nope", "not in the descriptor set, which has acme.Sample"),
        (b"\x0a\x02\x62\x40", "x", "field 12 is cut off"),
        (b"\x0a\x0c\x62\x08editions\x72\x00", "x", "editions: proto2 and proto3"),
        (b"\xff" * 20, "x", "more than ten bytes"),
        (ACME.replace(b"google.protobuf.Timestamp", b"google.protobuf.Timestomp"), "acme.Sample", "--include_imports"),
    ],
)
def test_is_refused_when_the_descriptors_do_not_fit(data: bytes, message: str, says: str) -> None:
    """A file that is none, that lacks the type or an import, or of an edition: said with what is there."""
    with pytest.raises(CodecError, match=says):
        codec(message, data)


def test_says_where_when_a_payload_is_wrong(tmp_path: Path) -> None:
    """Cut off, or of another type; a file that is not there is an error of the settings."""
    whole = bytes.fromhex(GOLDEN["samples"][0][0])
    for bad, says in ((whole[:-1], "cut off"), (b"\x09\x00", "field 1 is cut off"), (b"\x08\x01", "acme.Sample.temperature")):
        with pytest.raises(CodecError, match=says):
            codec()(bad)
    settings = SimpleNamespace(codec="protobuf", descriptors=tmp_path / "none", message="x", at="", fields=None)
    with pytest.raises(FatalAdapterError, match=r"descriptors: .*No such file"):
        make_codec(settings)


@given(st.binary(max_size=200))
def test_nothing_but_a_codec_error_comes_when_bytes_are_any(data: bytes) -> None:
    """No other exception out of payloads, descriptor sets and Sparkplug's metrics."""
    for read in (codec(), Schema, lambda raw: [values_of(m, m.name or "x", m.datatype) for m in decode_payload(raw).metrics]):
        try:
            read(data)
        except CodecError:
            continue


@given(st.data())
def test_nothing_but_a_codec_error_comes_when_a_golden_one_is_damaged(data: st.DataObject) -> None:
    """The same, close to what is right."""
    for good, read in (
        (bytes.fromhex(GOLDEN["samples"][0][0]), codec()),
        (ACME, Schema),
        (bytes.fromhex(GOLDEN["sparkplug"]["dbirth"]), decode_payload),
    ):
        at = data.draw(st.integers(0, len(good) - 1))
        damaged = good[:at] + data.draw(st.binary(max_size=3)) + good[at + 1 :]
        try:
            read(damaged)
        except CodecError:
            continue


def test_request_for_births_is_what_the_library_writes() -> None:
    """Byte for byte."""
    assert rebirth_request(5).hex() == GOLDEN["sparkplug"]["rebirth"]

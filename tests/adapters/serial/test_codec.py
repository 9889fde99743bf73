"""From frames to fields, and bytes as people write them."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from adapters.serial.codec import FrameError, Parsed, guess, parser_of, wire_bytes
from adapters.serial.formats import Format
from adapters.serial.nmea import checksum, degrees
from adapters.serial.template import SEQUENCE_WRAP, Template
from rt_edge.sdk import ConfigError
from rt_edge.settings.frozen import freeze
from rt_edge.settings.validate import melt

FORMAT: TypeAdapter[Any] = TypeAdapter(Format)


def parse(payload: bytes, **written: Any) -> Parsed | None:
    return parser_of(freeze(melt(FORMAT.validate_python(written))))(payload)


def fields(payload: bytes, **written: Any) -> dict[str, Any]:
    parsed = parse(payload, **written)
    assert parsed is not None
    return parsed.fields


def reason(payload: bytes, **written: Any) -> str:
    with pytest.raises(FrameError) as caught:
        parse(payload, **written)
    return caught.value.reason


def sentence(body: str) -> bytes:
    return b"$%s*%02X\r" % (body.encode(), checksum(body.encode()))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("12", 12), ("-3", -3), ("0", 0), ("+7", 7), ("007", "007"), ("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0), ("OL", "OL")),
        *(("1_000", "1_000"), ("-", "-"), ("1.2.3", "1.2.3"), ("nan", "nan"), ("0x10", "0x10"), ("5.", 5.0)),
    ],
)
def test_number_is_seen_when_a_text_looks_like_one(text: str, value: Any) -> None:
    """Numbers are numbers, names stay text."""
    found = guess(text)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("payload", "written", "value"),
    [
        (b" 21.5 \r", {"type": "float", "scale": 10, "offset": 1}, 216.0),
        (b"+ 1.5", {"type": "float"}, 1.5),
        (b"1A", {"type": "hex"}, 26),
        (b"ON", {"type": "bool"}, True),
        (b"no", {"type": "bool"}, False),
        (b"5", {"type": "str"}, "5"),
        (b"5", {}, 5),
        (b"\xb0C", {"encoding": "latin-1"}, "°C"),
    ],
)
def test_value_has_its_type_when_the_frame_is_one_text(payload: bytes, written: dict[str, Any], value: Any) -> None:
    """Type, scale and encoding are what the settings say."""
    assert fields(payload, kind="text", field="v", **written) == {"v": value}


@pytest.mark.parametrize("payload", [b"", b"  ", b"OL", b"nan", b"inf"])
def test_field_is_left_out_when_there_is_no_value(payload: bytes) -> None:
    """Empty texts, the agreed ones, NaN and infinity are no value."""
    assert fields(payload, kind="text", type="float", no_value=["OL"]) == {}


@pytest.mark.parametrize(
    ("payload", "written", "why"),
    [
        (b"x", {"kind": "text", "type": "float"}, "bad_value"),
        (b"1_0", {"kind": "text", "type": "float"}, "bad_value"),
        (b"1.5", {"kind": "text", "type": "int"}, "bad_value"),
        (b"maybe", {"kind": "text", "type": "bool"}, "bad_value"),
        (b"\xff", {"kind": "text"}, "bad_text"),
        (b"kg 5", {"kind": "regex", "pattern": r"^(?P<w>\d+) kg$"}, "no_match"),
        (b"1,2", {"kind": "csv", "columns": ["a"]}, "bad_columns"),
        (b"1", {"kind": "csv", "columns": ["a", "b"]}, "bad_columns"),
        (b'1,"2', {"kind": "csv", "columns": ["a", "b"]}, "bad_columns"),
        (b"\x00\x01", {"kind": "struct", "fields": {"a": {"at_byte": 1, "type": "uint16"}}}, "bad_length"),
        (b"\x00\x01\x02", {"kind": "struct", "length_bytes": 2, "fields": {"a": {"at_byte": 0, "type": "uint16"}}}, "bad_length"),
        (b"\xff", {"kind": "struct", "fields": {"a": {"at_byte": 0, "type": "string", "length_bytes": 1}}}, "bad_text"),
    ],
)
def test_reason_is_named_when_a_frame_is_not_what_was_said(payload: bytes, written: dict[str, Any], why: str) -> None:
    """Each kind of mistake has a reason of its own, for its counter."""
    assert reason(payload, **written) == why


def test_groups_become_fields_when_a_pattern_matches() -> None:
    """Named groups, typed and scaled; a group that did not take part is left out."""
    pattern = r"^(?P<state>ST|US),(?P<weight>[+-] *[0-9.]+)(?P<unit> kg)?(?P<tare> T)?$"
    found = fields(b"ST,+  12.5 kg\r\n", kind="regex", pattern=pattern, fields={"weight": {"type": "float", "scale": 1000}})
    assert found == {"state": "ST", "weight": 12500.0, "unit": "kg"}


def test_columns_become_fields_when_a_line_has_them() -> None:
    """Named columns, skipped ones, quotes, and more of them where that is allowed."""
    written = {"kind": "csv", "columns": ["t", "", "name"], "delimiter": ";", "fields": {"t": {"type": "int", "scale": 0.5}}}
    assert fields(b'5;x;"a;b"', **written) == {"t": 2.5, "name": "a;b"}
    assert fields(b"5;x;n;more", more_columns="ignore", **written) == {"t": 2.5, "name": "n"}


def test_places_become_fields_when_a_frame_is_binary() -> None:
    """Types, orders, bits, scale, texts; NaN is no value."""
    frame = struct.pack("<BHf", 0b101, 2305, 1.5) + struct.pack(">fq", float("nan"), -2) + b"ab\x00\x00" + b"\xff\x00"
    layout = {
        "alarm": {"at_byte": 0, "type": "uint8", "bit": 2},
        "off": {"at_byte": 0, "type": "uint8", "bit": 1},
        "voltage": {"at_byte": 1, "type": "uint16", "scale": 0.1, "offset": -0.5},
        "current": {"at_byte": 3, "type": "float32"},
        "none": {"at_byte": 7, "type": "float32", "order": "big"},
        "energy": {"at_byte": 11, "type": "int64", "order": "big"},
        "name": {"at_byte": 19, "type": "string", "length_bytes": 4},
        "raw": {"at_byte": 23, "type": "bytes", "length_bytes": 2},
    }
    assert fields(frame, kind="struct", order="little", fields=layout) == {
        "alarm": True,
        "off": False,
        "voltage": 230.0,
        "current": 1.5,
        "energy": -2,
        "name": "ab",
        "raw": b"\xff\x00",
    }
    assert fields(b"\x01", kind="bytes") == {"data": b"\x01"}


def test_sentence_is_read_when_its_checksum_is_right() -> None:
    """The example of the standard's manuals: position in degrees, talker and type as tags."""
    parsed = parse(b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r", kind="nmea")
    assert parsed is not None
    assert parsed.tags == {"talker": "GP", "sentence": "GGA"}
    assert parsed.fields == {
        "utc": "123519",
        "latitude": 48.1173,
        "longitude": 11.516666667,
        "fix_quality": 1,
        "satellites": 8,
        "hdop": 0.9,
        "altitude_m": 545.4,
        "geoid_separation_m": 46.9,
    }


def test_sentences_have_names_when_they_are_proprietary_unknown_or_the_users_own() -> None:
    """Proprietary ones have the talker P; unknown ones numbered fields; own names win; transducers name themselves."""
    assert parse(sentence("PGRME,15.0,M"), kind="nmea") == Parsed(
        {"field_1": 15.0, "field_2": "M"}, {"talker": "P", "sentence": "GRME"}
    )
    own = {"kind": "nmea", "sentences": {"ABC": ["level", "", "code:s", "n:i"]}}
    assert fields(sentence("IIABC,5,x,007,3"), **own) == {"level": 5.0, "code": "007", "n": 3}
    assert fields(sentence("WIXDR,C,19.5,C,AIR,P,1.013,B,"), kind="nmea") == {"AIR": 19.5, "P_2": 1.013}
    assert fields(b"noise" + sentence("HEHDT,90.5,T"), kind="nmea") == {"heading_true": 90.5}
    assert parse(sentence("HEHDT,90.5,T"), kind="nmea", only=["RMC"]) is None
    assert fields(b"$HEHDT,90.5,T", kind="nmea", checksum="optional") == {"heading_true": 90.5}


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*48", "bad_checksum"),
        (b"$GPGGA,1*4", "bad_checksum"),
        (b"$HEHDT,90.5,T", "no_checksum"),
        (b"HEHDT,90.5,T", "bad_sentence"),
        (sentence("he,1"), "bad_sentence"),
        (sentence("HEHDT,9x.5,T"), "bad_value"),
        (sentence("GPGLL,4867.0,N,01131.0,E"), "bad_value"),
        (sentence("GPGLL,4807.0,X,01131.0,E"), "bad_value"),
    ],
)
def test_reason_is_named_when_a_sentence_is_wrong(payload: bytes, why: str) -> None:
    """A wrong checksum, a missing one, and nonsense behind a right one are told apart."""
    assert reason(payload, kind="nmea") == why


def test_south_and_west_are_negative_when_degrees_are_made() -> None:
    """Degrees and minutes become degrees."""
    assert degrees("3351.5", "S") == pytest.approx(-33.858333333)
    assert degrees("15112.6", "W") == pytest.approx(-151.21)
    assert degrees("", "") is None


@given(st.binary(max_size=200), st.sampled_from(["text", "nmea", "regex", "csv", "struct", "bytes"]))
def test_only_frame_errors_come_when_frames_are_noise(payload: bytes, kind: str) -> None:
    """Whatever comes, a parser gives fields that a Reading may have, nothing, or a FrameError."""
    more: dict[str, Any] = {
        "regex": {"pattern": "(?P<a>.)(?P<b>.*)"},
        "csv": {"columns": ["a", "b"], "more_columns": "ignore", "encoding": "latin-1"},
        "struct": {
            "fields": {
                "a": {"at_byte": 3, "type": "float64", "scale": 3.0},
                "b": {"at_byte": 0, "type": "string", "length_bytes": 2},
            }
        },
    }.get(kind, {})
    try:
        parsed = parse(payload, kind=kind, **more)
    except FrameError:
        return
    assert parsed is None or all(isinstance(value, int | float | str | bytes) for value in parsed.fields.values())


@pytest.mark.parametrize(("text", "data"), [("a\r\n", b"a\r\n"), ("\x02\xff", b"\x02\xff"), ("hex:0D 0a", b"\r\n"), ("", b"")])
def test_bytes_are_what_was_meant_when_text_or_hex_is_written(text: str, data: bytes) -> None:
    """A character is a byte; hex says so."""
    assert wire_bytes(text) == data


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{a", "expected '}'"),
        ("{b}", "'b', which `values` does not name"),
        ("{a.x}", "is not a name"),
        ("{a!r}", "is not a name"),
        ("{}", "is not a name"),
        ("{a:q}", "format code"),
        ("{a:c}€", "is not one byte"),
        ("hex:0", "hexadecimal"),
    ],
)
def test_template_is_refused_when_it_cannot_be_filled(text: str, what: str) -> None:
    """Braces, names, formats and characters are checked before anything is sent."""
    with pytest.raises(ConfigError, match=what):
        Template(text, {"a": 7})


def test_template_counts_when_it_names_the_sequence() -> None:
    """Values and the request's number are put in; it begins again after 9,999."""
    template = Template("#{a:02d}{{{sequence:04d}}}{b}\r", {"a": 7, "b": "x"})
    assert template.numbered
    assert template.render(12) == b"#07{0012}x\r"
    assert template.render(SEQUENCE_WRAP + 3) == template.render(3)
    assert not Template("hex:7b7d", {}).numbered
    assert Template("hex:7b7d", {}).render(5) == b"{}"


def test_settings_of_a_value_are_optional_when_it_is_guessed() -> None:
    """A plain value has no settings."""
    from adapters.serial.codec import TextValue

    assert TextValue("x")("5") == 5
    assert TextValue("x", SimpleNamespace(type="int", scale=2, offset=0, no_value=()))("5") == 10

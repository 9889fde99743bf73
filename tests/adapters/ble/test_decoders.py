"""Decoders: layouts, and bytes that mean nothing. What is published with its values is in test_vectors.py."""

from __future__ import annotations

from random import Random

import pytest

from adapters.ble import codec_atc, codec_eddystone, codec_ibeacon, codec_mibeacon, codec_ruuvi
from adapters.ble.codec import FORMATS, Advertisement, device_address, full_uuid, parts, raw_fields
from adapters.ble.codec_value import TYPES, ValueCodec
from rt_edge.sdk import CodecError, ConfigError

H = bytes.fromhex


def test_eddystone_frames_are_told_apart_when_they_are_decoded() -> None:
    """UID, URL and TLM by their layouts; what TLM marks as not supported is left out."""
    uid = codec_eddystone.decode(H("00E7" + "00010203040506070809" + "AABBCCDDEEFF" + "0000"))
    assert uid == {"frame": "uid", "ranging_power": -25, "namespace": "00010203040506070809", "instance": "aabbccddeeff"}
    assert codec_eddystone.decode(b"\x10\xee\x03goo.gl/S6zT6P")["url"] == "https://goo.gl/S6zT6P"
    assert codec_eddystone.decode(b"\x10\x00\x00example\x07")["url"] == "http://www.example.com"
    assert codec_eddystone.decode(b"\x10\x00\x02example\x00a")["url"] == "http://example.com/a"
    tlm = codec_eddystone.decode(H("2000" + "0BB8" + "1780" + "00000010" + "00000064"))
    assert tlm == {"frame": "tlm", "battery_voltage": 3.0, "temperature": 23.5, "advertisements": 16, "uptime": 10.0}
    assert codec_eddystone.decode(H("2000" + "0000" + "8000" + "00000000" + "00000000")) == {
        "frame": "tlm",
        "advertisements": 0,
        "uptime": 0.0,
    }


def test_eddystone_eid_is_an_opaque_number_when_it_is_decoded() -> None:
    """Its layout (google/eddystone, eddystone-eid/README.md); who it is, only its resolver knows."""
    assert codec_eddystone.decode(H("30EE" + "0102030405060708")) == {
        "frame": "eid",
        "ranging_power": -18,  # the value that eddystone-url/README.md gives for 0xEE
        "eid": "0102030405060708",
    }


def test_ninth_bits_are_taken_from_the_flags_when_ruuvi_air_is_decoded() -> None:
    """No published vector has them set, and not alike: flags 0x40 is of VOC, 0x80 of NOX."""
    for flags, voc, nox in ((0x40, 21, 2), (0x80, 20, 3)):
        fields = codec_ruuvi.decode(H("06170C5668C79E007000C90A01D9FFCD") + bytes([flags]) + H("4C884F"))
        assert (fields["voc"], fields["nox"]) == (voc, nox)


def test_ibeacon_is_decoded_when_it_is_one_and_passed_over_when_it_is_another_frame_of_the_company() -> None:
    """Its layout; other data of the same company is not a malformed iBeacon."""
    data = H("0215" + "E2C56DB5DFFB48D2B060D0F5A71096E0" + "0001" + "0102" + "C5")
    assert codec_ibeacon.decode(data) == {
        "uuid": "e2c56db5-dffb-48d2-b060-d0f5a71096e0",
        "major": 1,
        "minor": 258,
        "measured_power": -59,
    }
    nearby = Advertisement("C0:FF:EE:00:00:01", "", -60, {0x004C: H("1005031CB2")}, {})
    assert list(parts(nearby, ["ibeacon", "ruuvi"])) == []


def test_atc_formats_are_told_apart_when_they_are_decoded() -> None:
    """ATC1441's is big endian with tenths, pvvx's little endian with hundredths."""
    assert codec_atc.decode(H("A4C138AABBCC" + "00EB" + "2D" + "5A" + "0BB8" + "07")) == {
        "mac": "A4:C1:38:AA:BB:CC",
        "temperature": 23.5,
        "humidity": 45,
        "battery": 90,
        "battery_voltage": 3.0,
        "counter": 7,
    }
    assert codec_atc.decode(H("CCBBAA38C1A4" + "2EFF" + "9411" + "B80B" + "5A" + "07" + "04")) == {
        "mac": "A4:C1:38:AA:BB:CC",
        "temperature": -2.1,
        "humidity": 45.0,
        "battery_voltage": 3.0,
        "battery": 90,
        "counter": 7,
        "flags": 4,
    }


def test_objects_that_are_not_known_are_given_as_bytes_when_a_mibeacon_is_decoded() -> None:
    """Their length is known: what follows them is read."""
    data = H("4058AA0101" + "0E1002AABB" + "0A10013B" + "024C0132" + "014C04CDCCBC41")
    assert codec_mibeacon.decode(data) == {
        "device_type": 0x01AA,
        "packet_id": 1,
        "object_100e": b"\xaa\xbb",
        "battery": 59,
        "humidity": 50,
        "temperature": 23.6,
    }


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("bthome", "", "byte 0: an empty payload"),
        ("bthome", "20", "byte 0: version 1"),
        ("bthome", "4002CA", "byte 2: temperature has 2 bytes, and 1 are left"),
        ("bthome", "400161FE01", "byte 3: object 0xfe is unknown"),
        ("bthome", "401A02", "door is 2, neither 0 nor 1"),
        ("bthome", "4053FF41", "byte 3: text has 255 bytes, and 1 are left"),
        ("bthome", "405301FF", "not UTF-8"),
        ("bthome", "403C0901", "dimmer event 0x09"),
        ("eddystone", "", "byte 0"),
        ("eddystone", "30AA", "2 bytes where 10 are wanted"),
        ("eddystone", "40AA", "frame type 0x40"),
        ("eddystone", "2001", "encrypted"),
        ("eddystone", "1000", "scheme has 1 bytes"),
        ("eddystone", "100009", "byte 2: scheme 0x09"),
        ("eddystone", "10000041" + "10", "byte 4: 0x10 is reserved"),
        ("eddystone", "00E700", "3 bytes where 20 are wanted"),
        ("ibeacon", "0215AA", "byte 3: 3 bytes where 23 are wanted"),
        ("ruuvi", "03AA", "2 bytes where 14 are wanted"),
        ("ruuvi", "08AA", "format 8"),
        ("ruuvi", "", "format missing"),
        ("ruuvi", "0512", "2 bytes where 24 are wanted"),
        ("atc", "00", "1 bytes"),
        ("atc", "0011223344556677", "encrypted, and no key"),
        ("mibeacon", "5020AA01", "4 bytes, a frame has at least 5"),
        ("mibeacon", "C020AA0101", "a frame of a mesh"),
        ("mibeacon", "5010AA0101", "version 1"),
        ("mibeacon", "5020AA0101AA", "mac has 6 bytes, and 1 are left"),
        ("mibeacon", "4020AA0101041002FE", "object 0x1004 has 2 bytes, and 1 are left"),
        ("mibeacon", "4020AA0101014C040000C07F", "nan is not a temperature"),
        ("mibeacon", "4858AA0101" + "00" * 9, "no key of this device"),
        ("mibeacon", "4830AA0101" + "00" * 9, "version 2 or 3"),
    ],
)
def test_place_and_reason_are_said_when_bytes_mean_nothing(name: str, text: str, reason: str) -> None:
    """A CodecError names the byte and why."""
    with pytest.raises(CodecError, match=r"byte [0-9]+: ") as raised:
        FORMATS[name].decode(H(text))
    assert reason in raised.value.message


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_but_fields_or_a_codec_error_comes_out_when_bytes_are_random(name: str) -> None:
    """20,000 payloads a format, random and damaged examples (seed 7): no other exception, and fields are values."""
    random = Random(7)
    examples = [
        H("4002CA0903BF13"),
        H("40530C48656C6C6F20576F726C6421"),
        H("00E700010203040506070809AABBCCDDEEFF0000"),
        b"\x10\xee\x03goo.gl/S6zT6P",
        H("20000BB817800000001000000064"),
        H("0215E2C56DB5DFFB48D2B060D0F5A71096E000010102C5"),
        H("0512FC5394C37C0004FFFC040CAC364200CDCBB8334C884F"),
        H("A4C138AABBCC00EB2D5A0BB807"),
        H("CCBBAA38C1A42EFF9411B80B5A0704"),
        H("5020AA01DA219335342D580D1004FE004802"),
    ]
    good = bad = 0
    for _ in range(20_000):
        data = bytearray(random.choice(examples) if random.random() < 0.7 else random.randbytes(random.randrange(32)))
        for _ in range(random.randrange(4)):
            if data:
                data[random.randrange(len(data))] = random.randrange(256)
        data = data[: random.randrange(len(data) + 1)] if random.random() < 0.3 else data
        try:
            fields = FORMATS[name].decode(bytes(data))
        except CodecError:
            bad += 1
        else:
            good += 1
            assert all(isinstance(value, (bool, int, float, str, bytes)) for value in fields.values())
    assert good > 100
    assert bad > 1000


def test_raw_fields_have_everything_when_an_advertisement_is_not_decoded() -> None:
    """Company and service in the field's name, and bytes as they came."""
    own = "12345678-1234-1234-1234-123456789abc"
    heard = Advertisement("C0:FF:EE:00:00:01", "x", -60, {0x0499: b"\1"}, {full_uuid("fe95"): b"\2", own: b"\3"})
    assert raw_fields(heard) == {"manufacturer_0499": b"\1", "service_fe95": b"\2", f"service_{own}": b"\3", "name": "x"}


def test_uuids_and_addresses_are_recognised_when_they_are_written_in_short() -> None:
    """Four digits mean the Bluetooth base UUID; anything else is refused with a hint."""
    assert full_uuid("181A") == full_uuid("0x181a") == "0000181a-0000-1000-8000-00805f9b34fb"
    assert full_uuid("0000181A-0000-1000-8000-00805F9B34FB") == full_uuid("181a")
    assert device_address("c0:ff:ee:00:00:01") == "C0:FF:EE:00:00:01"
    for wrong in ("18", "181g", "", "0000181a-0000"):
        with pytest.raises(ConfigError):
            full_uuid(wrong)
    for wrong in ("c0ffee000001", "C0:FF:EE:00:00", ""):
        with pytest.raises(ConfigError):
            device_address(wrong)


@pytest.mark.parametrize("kind", TYPES)
def test_value_comes_back_when_it_is_written_and_read(kind: str) -> None:
    """Each type's values survive the way to bytes and back, scaled ones too."""
    values = {"bool": [True, False], "string": ["", "Größe"], "bytes": [b"", b"\0\xff"], "float32": [0.5, -2.0], "float64": [0.1]}
    for value in values.get(kind, [0, 1, 100, *([-1] if kind.startswith("int") else [])]):
        codec = ValueCodec(kind)
        assert codec.decode(codec.encode(value)) == value
    if kind.startswith(("int", "uint")):
        scaled = ValueCodec(kind, 0.1, 5)
        assert scaled.decode(scaled.encode(7.5)) == 7.5


@pytest.mark.parametrize(
    ("codec", "value"),
    [
        (ValueCodec("uint8"), 256),
        (ValueCodec("uint8"), -1),
        (ValueCodec("int16", 0.1), 0.05),
        (ValueCodec("uint8"), "7"),
        (ValueCodec("uint8"), float("nan")),
        (ValueCodec("bool"), 2),
        (ValueCodec("string"), 5),
        (ValueCodec("bytes"), "xyz"),
        (ValueCodec("float32"), 1e300),
        (ValueCodec("uint8", skip=1), 1),
    ],
)
def test_value_is_refused_when_it_does_not_fit(codec: ValueCodec, value: object) -> None:
    """Nothing is rounded or cut on its way to a device."""
    with pytest.raises(CodecError):
        codec.encode(value)  # type: ignore[arg-type]


def test_value_is_an_error_when_its_bytes_are_not_there() -> None:
    """Too short, not UTF-8, not a number."""
    for codec, data in (
        (ValueCodec("uint16"), b"\1"),
        (ValueCodec("uint8", skip=2), b"\1\2"),
        (ValueCodec("string"), b"\xff"),
        (ValueCodec("float32"), b"\0\0\xc0\x7f"),
    ):
        with pytest.raises(CodecError, match="byte"):
            codec.decode(data)
    assert ValueCodec("uint16", skip=1).decode(b"\0\x01\x02\x03") == 0x0201

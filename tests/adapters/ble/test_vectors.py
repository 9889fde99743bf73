"""Decoders against what is published: test vectors of specifications, and frames that other projects captured, with their values.

Ruuvi: ruuvi/ruuvi-sensor-protocols and ruuvi/docs. BTHome: bthome.io; all objects as in Bluetooth-Devices/bthome-ble.
ATC1441 and pvvx: tests of custom-components/ble_monitor and Bluetooth-Devices/atc-ble. MiBeacon: those of xiaomi-ble there.
Eddystone: google/eddystone (its validator's tests, its firmware for BLED112), tests of citruz/beacontools and of
AltBeacon/android-beacon-library. iBeacon: tests of citruz/beacontools, and wiki.aprbrother.com/en/iBeacon_Packet.html.
"""

from __future__ import annotations

import pytest

from adapters.ble import codec_bthome, codec_eddystone, codec_ibeacon, codec_ruuvi
from adapters.ble.cipher import opened
from adapters.ble.codec import FORMATS
from rt_edge.sdk import CodecError

H = bytes.fromhex

RUUVI = {
    # "Test vectors" of ruuvi/ruuvi-sensor-protocols, dataformat_03.md (RAWv1): valid, maximum, minimum
    "03291A1ECE1EFC18F94202CA0B53": {
        "temperature": 26.3,
        "humidity": 20.5,
        "pressure": 102766,
        "acceleration_x": -1.0,
        "acceleration_y": -1.726,
        "acceleration_z": 0.714,
        "battery_voltage": 2.899,
    },
    "03FF7F63FFFF7FFF7FFF7FFFFFFF": {
        "temperature": 127.99,
        "humidity": 127.5,
        "pressure": 115535,
        "acceleration_x": 32.767,
        "acceleration_y": 32.767,
        "acceleration_z": 32.767,
        "battery_voltage": 65.535,
    },
    "0300FF6300008001800180010000": {
        "temperature": -127.99,
        "humidity": 0.0,
        "pressure": 50000,
        "acceleration_x": -32.767,
        "acceleration_y": -32.767,
        "acceleration_z": -32.767,
        "battery_voltage": 0.0,
    },
    # the same of ruuvi/docs, data-format-6.md (Ruuvi Air), with FF for the reserved byte: valid, maximum (its table
    # prints another mac than its bytes have), minimum, invalid
    "06170C5668C79E007000C90501D9FFCD004C884F": {
        "temperature": 29.5,
        "humidity": 55.3,
        "pressure": 101102,
        "pm2_5": 11.2,
        "co2": 201,
        "voc": 10,
        "nox": 2,
        "illuminance": 13026.67,
        "sequence": 205,
        "calibrating": False,
        "mac": "4C:88:4F",
    },
    "067FFF9C40FFFE27109C40FAFAFEFFFF074C8F4F": {
        "temperature": 163.835,
        "humidity": 100.0,
        "pressure": 115534,
        "pm2_5": 1000.0,
        "co2": 40000,
        "voc": 500,
        "nox": 500,
        "illuminance": 65535.0,
        "sequence": 255,
        "calibrating": True,
        "mac": "4C:8F:4F",
    },
    "0680010000000000000000000000FF00004C884F": {
        "temperature": -163.835,
        "humidity": 0.0,
        "pressure": 50000,
        "pm2_5": 0.0,
        "co2": 0,
        "voc": 0,
        "nox": 0,
        "illuminance": 0.0,
        "sequence": 0,
        "calibrating": False,
        "mac": "4C:88:4F",
    },
    "068000FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF": {"sequence": 255, "calibrating": True},
    # the same of ruuvi/docs, data-format-5-rawv2.md: valid, maximum, minimum, invalid
    "0512FC5394C37C0004FFFC040CAC364200CDCBB8334C884F": {
        "temperature": 24.3,
        "humidity": 53.49,
        "pressure": 100044,
        "acceleration_x": 0.004,
        "acceleration_y": -0.004,
        "acceleration_z": 1.036,
        "battery_voltage": 2.977,
        "tx_power": 4,
        "movement": 66,
        "sequence": 205,
        "mac": "CB:B8:33:4C:88:4F",
    },
    "057FFFFFFEFFFE7FFF7FFF7FFFFFDEFEFFFECBB8334C884F": {
        "temperature": 163.835,
        "humidity": 163.835,
        "pressure": 115534,
        "acceleration_x": 32.767,
        "acceleration_y": 32.767,
        "acceleration_z": 32.767,
        "battery_voltage": 3.646,
        "tx_power": 20,
        "movement": 254,
        "sequence": 65534,
        "mac": "CB:B8:33:4C:88:4F",
    },
    "058001000000008001800180010000000000CBB8334C884F": {
        "temperature": -163.835,
        "humidity": 0.0,
        "pressure": 50000,
        "acceleration_x": -32.767,
        "acceleration_y": -32.767,
        "acceleration_z": -32.767,
        "battery_voltage": 1.6,
        "tx_power": -40,
        "movement": 0,
        "sequence": 0,
        "mac": "CB:B8:33:4C:88:4F",
    },
    "058000FFFFFFFF800080008000FFFFFFFFFFFFFFFFFFFFFF": {},
}


@pytest.mark.parametrize("text", RUUVI)
def test_ruuvi_says_what_its_specification_says_when_its_test_vectors_are_decoded(text: str) -> None:
    """The published vectors give the published values; what is not available is left out."""
    assert codec_ruuvi.decode(H(text)) == RUUVI[text]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("4002C40903BF13", {"temperature": 25.0, "humidity": 50.55}),  # bthome.io, "Format", the worked example
        ("4002CA0903BF13", {"temperature": 25.06, "humidity": 50.55}),  # its encryption example, before it is encrypted
        ("400161", {"battery": 97}),  # and its table, an example a line
        ("4004138A01", {"pressure": 1008.83}),
        ("4005138A14", {"illuminance": 13460.67}),
        ("40065E1F", {"mass_kg": 80.3}),
        ("4008CA06", {"dewpoint": 17.38}),
        ("400A138A14", {"energy": 1346.067}),
        ("400B021B00", {"power": 69.14}),
        ("400C020C", {"voltage": 3.074}),
        ("4012E204", {"co2": 1250}),
        ("40133301", {"tvoc": 307}),
        ("403D0960", {"count": 24585}),
        ("403F020C", {"rotation": 307.4}),
        ("40424E3400", {"duration": 13.39}),
        ("40434E34", {"current": 13.39}),
        ("40451101", {"temperature": 27.3}),
        ("404632", {"uv_index": 5.0}),
        ("404A020C", {"voltage": 307.4}),
        ("40505D396164", {"timestamp": 1684093277}),
        ("40530C48656C6C6F20576F726C6421", {"text": "Hello World!"}),
        ("40540C48656C6C6F20576F726C6421", {"raw": b"Hello World!"}),
        ("4057EA", {"temperature": -22}),
        ("4058EA", {"temperature": -7.7}),
        ("4059EA", {"count": -22}),
        ("405C02FBFFFF", {"power": -12.78}),
        ("405D02EA", {"current": -5.63}),
        ("405E9F8C", {"direction": 359.99}),
        ("401A01", {"door": True}),
        ("402100", {"motion": False}),
        ("403A0102CA09", {"button": "press", "temperature": 25.06}),
        ("403C0203", {"dimmer": 3}),
        ("403C0103", {"dimmer": -3}),
        ("403A81", {"button": "hold_release"}),  # from here on as Bluetooth-Devices/bthome-ble reads it
        ("406507", {"settings_revision": 7}),
        ("403B0001", {"command": "on"}),
        ("403BE2030A0B0161", {"command": "step_up 0a0b", "battery": 97}),
        ("403B0077", {"command": "0x77"}),
        ("40F00100F100010204F2000106", {"device_type": 1, "firmware": "4.2.1.0", "firmware_2": "6.1.0"}),
        ("4002CA0902BF13", {"temperature": 25.06, "temperature_2": 50.55}),
    ],
)
def test_bthome_says_what_its_specification_says_when_its_examples_are_decoded(text: str, fields: dict[str, object]) -> None:
    """Each example of the specification gives the value that stands beside it."""
    assert codec_bthome.decode(H(text)) == fields


def test_bthome_is_opened_when_the_key_is_right() -> None:
    """The specification's example of encryption, which is its plain example again."""
    data, key = H("41A47266C95F730011223378237214"), H("231D39C1D7CC1AB1AEE224CD096DB932")
    plain = opened("bthome", data, "54:48:E6:8F:80:A5", key)
    assert codec_bthome.decode(plain) == {"temperature": 25.06, "humidity": 50.55}
    with pytest.raises(CodecError, match="not encrypted with this key"):
        opened("bthome", data, "54:48:E6:8F:80:A6", key)
    with pytest.raises(CodecError, match="no key of this device"):
        codec_bthome.decode(data)
    assert opened("bthome", H("400161"), "54:48:E6:8F:80:A5", key) == H("400161")


def advertised(text: str) -> tuple[dict[int, bytes], dict[int, bytes]]:
    """Manufacturer data by company, service data by 16-bit UUID, of an advertisement on the air (length, type, value)."""
    data, company, service = H(text), {}, {}
    while data and data[0]:
        kind, value, data = data[1], data[2 : data[0] + 1], data[data[0] + 1 :]
        if kind == 0xFF:
            company[int.from_bytes(value[:2], "little")] = value[2:]
        elif kind == 0x16:
            service[int.from_bytes(value[:2], "little")] = value[2:]
    return company, service


EDDYSTONE = [  # on the air, fields
    # google/eddystone, UidValidatorTest.java and TestUtils.java (-20 dBm); TlmValidatorTest.java (5000 mV, 21 °C, 1, 1)
    (
        "1716AAFE00EC00010203040506070809AABBCCDDEEFF0000",
        {"frame": "uid", "ranging_power": -20, "namespace": "00010203040506070809", "instance": "aabbccddeeff"},
    ),
    (
        "1116AAFE2000138815000000000100000001",
        {"frame": "tlm", "battery_voltage": 5.0, "temperature": 21.0, "advertisements": 1, "uptime": 0.1},
    ),
    # ... with what it tests as "voltage powered" and "temp not supported"; with -1 °C
    ("1116AAFE2000000080000000000100000001", {"frame": "tlm", "advertisements": 1, "uptime": 0.1}),
    (
        "1116AAFE20001388FF000000000100000001",
        {"frame": "tlm", "battery_voltage": 5.0, "temperature": -1.0, "advertisements": 1, "uptime": 0.1},
    ),
    # google/eddystone, eddystone-url/implementations/BlueGiga-BLED112/eddystone-url.bgs: what it advertises at first
    (
        "0201060303AAFE1316AAFE10F002706879736963616C2D77656208",
        {"frame": "url", "ranging_power": -16, "url": "http://physical-web.org"},
    ),
    # beacontools, test_parser.py: test_eddystone_uid, _url, _tlm, _eid. It takes the uptime for seconds (10948), where
    # google/eddystone's tlm-plain.md says tenths
    (
        "0201060303AAFE1716AAFE00E3123456789012346789010000000000010000",
        {"frame": "uid", "ranging_power": -29, "namespace": "12345678901234678901", "instance": "000000000001"},
    ),
    (
        "0303AAFE1316AAFE10F8036769746875620063697472757A",
        {"frame": "url", "ranging_power": -8, "url": "https://github.com/citruz"},
    ),
    (
        "0201060303AAFE1116AAFE20000B1813000000146700002AC4",
        {"frame": "tlm", "battery_voltage": 2.84, "temperature": 19.0, "advertisements": 5223, "uptime": 1094.8},
    ),
    ("0201060303AAFE0D16AAFE30E34549445F74657374", {"frame": "eid", "ranging_power": -29, "eid": b"EID_test".hex()}),
    # android-beacon-library, BleAdvertisementTest.java: captured from a RadBeacon, which leaves the reserved bytes out
    (
        "0201060303AAFE1516AAFE00E72F234454F4911BA9FFA600000000000100000C09526164426561636F6E2047",
        {"frame": "uid", "ranging_power": -25, "namespace": "2f234454f4911ba9ffa6", "instance": "000000000001"},
    ),
]

IBEACON = [
    # beacontools, test_parser.py: test_ibeacon, test_cypress_beacon
    ("0201061AFF4C0002154142434445464748494041424344454600010002F8", "41424344-4546-4748-4940-414243444546", 1, 2, -8),
    ("0201041AFF4C0002150005000100001000800000805F9B013100026C66C3", "00050001-0000-1000-8000-00805f9b0131", 2, 0x6C66, -61),
    # AprilBrother's wiki, byte by byte (major and minor are the user's: 1 and 2 here)
    ("0201061AFF4C000215B5B182C7EAB14988AA99B5C1517008D900010002C6", "b5b182c7-eab1-4988-aa99-b5c1517008d9", 1, 2, -58),
]


@pytest.mark.parametrize(("text", "fields"), EDDYSTONE)
def test_eddystone_says_what_is_published_when_published_frames_are_decoded(text: str, fields: dict[str, object]) -> None:
    """All four frames, from the service data of whole advertisements."""
    assert codec_eddystone.decode(advertised(text)[1][codec_eddystone.SERVICE]) == fields


def test_eddystone_tlm_is_refused_when_it_is_encrypted() -> None:
    """beacontools, test_eddystone_tlm_enc: only who has the beacon's key can read it."""
    data = advertised("0201060303AAFE1116AAFE2001414141414141414141414141DEADBEFF")[1][codec_eddystone.SERVICE]
    with pytest.raises(CodecError, match=r"version 0x01 \(encrypted\) is not read"):
        codec_eddystone.decode(data)


@pytest.mark.parametrize(("text", "uuid", "major", "minor", "power"), IBEACON)
def test_ibeacon_says_what_is_published_when_published_packets_are_decoded(
    text: str, uuid: str, major: int, minor: int, power: int
) -> None:
    """From the manufacturer data of whole advertisements."""
    data = advertised(text)[0][codec_ibeacon.COMPANY]
    assert codec_ibeacon.decode(data) == {"uuid": uuid, "major": major, "minor": minor, "measured_power": power}


CUSTOM_KEY = "B9EA895FAC7EEA6D30532432A516F3A3"
LYWSD03 = "58585B0550F4830238C1A495EF58763C26000097E2ABB5"
CAPTURED = [  # format, service data, address, key, fields
    # custom-components/ble_monitor, test_atc_parser.py: atc1441, atc1441_ext, custom, custom_v2_9, custom_ext
    (
        "atc",
        "A4C1380283F400A22F5F0BF819",
        "",
        "",
        {"temperature": 16.2, "humidity": 47, "battery": 95, "battery_voltage": 3.064, "counter": 25},
    ),
    (
        "atc",
        "A4C138BC7C4E0102284F0B6720",
        "",
        "",
        {"temperature": 25.8, "humidity": 40, "battery": 79, "battery_voltage": 2.919, "counter": 32},
    ),
    (
        "atc",
        "F4830238C1A4A9066911B60B58F70D",
        "",
        "",
        {"temperature": 17.05, "humidity": 44.57, "battery": 88, "battery_voltage": 2.998, "counter": 247},
    ),
    (
        "atc",
        "B2188D38C1A42B089011F70A43200F",
        "",
        "",
        {"temperature": 20.91, "humidity": 44.96, "battery": 67, "battery_voltage": 2.807, "counter": 32},
    ),
    (
        "atc",
        "8B376338C1A4CE0913107F0B521204",
        "",
        "",
        {"temperature": 25.1, "humidity": 41.15, "battery": 82, "battery_voltage": 2.943, "counter": 18},
    ),
    # the tests of atc-ble (Bluetooth-Devices): custom encrypted (ble_monitor has it, too), atc1441 encrypted
    (
        "atc",
        "11D603FBFA7B6DFB1E26FD",
        "A4:C1:38:8D:18:B2",
        CUSTOM_KEY,
        {"temperature": 23.45, "humidity": 41.73, "battery": 61, "counter": 17},
    ),
    (
        "atc",
        "58E9E6556581B3F9",
        "A4:C1:38:8D:18:B2",
        CUSTOM_KEY,
        {"temperature": 26.5, "humidity": 47.0, "battery": 100, "counter": 88},
    ),
    # Bluetooth-Devices/xiaomi-ble, test_parser.py: LYWSDCGQ, LYWSD03MMC, LYWSD03MMC_encrypted, CGDK2, CGG1, HHCCJCY01, no object
    (
        "mibeacon",
        "5020AA01DA219335342D580D1004FE004802",
        "",
        "",
        {"temperature": 25.4, "humidity": 58.4, "packet_id": 0xDA, "device_type": 0x01AA},
    ),
    ("mibeacon", "50305B05034C94B438C1A40D10041001EA01", "", "", {"temperature": 27.2, "humidity": 49.0, "packet_id": 3}),
    ("mibeacon", LYWSD03, "A4:C1:38:02:83:F4", "E9EA895FAC7CCA6D30532432A516F3A8", {"humidity": 46.7, "packet_id": 80}),
    (
        "mibeacon",
        "58586F0607892012342D585F176DD54F0200002FA453FA",
        "58:2D:34:12:20:89",
        "A3BFE9853DD85A620DEBE3620CAAA351",
        {"temperature": 22.6},
    ),
    (
        "mibeacon",
        "5858480B685F12342D585A0B1841E2AA000E00A4964FB5",
        "5A:58:2D:34:12:5F",
        "814AAC74C4F17B6C1581E1AB87816B99",
        {"humidity": 59.6},
    ),
    ("mibeacon", "7120980012F34F6B8D7CC40D041002C400", "", "", {"temperature": 19.6, "device_type": 0x98}),
    ("mibeacon", "30585B0502483CD438C1A408", "", "", {"packet_id": 2}),
]


@pytest.mark.parametrize(("name", "text", "address", "key", "fields"), CAPTURED, ids=[case[1][:12] for case in CAPTURED])
def test_thermometers_say_what_others_read_in_their_captured_frames(
    name: str, text: str, address: str, key: str, fields: dict[str, object]
) -> None:
    """Frames and values of the tests of other projects; the encrypted ones with their keys, and not with another."""
    data = H(text)
    if key:
        with pytest.raises(CodecError, match="no key of this device"):
            FORMATS[name].decode(data)
        with pytest.raises(CodecError, match="not encrypted with this key"):
            opened(name, data, address, H(key)[::-1])
        with pytest.raises(CodecError, match="not encrypted with this key"):
            opened(name, data, address[:-1] + "0", H(key))
        data = opened(name, data, address, H(key))
    decoded = FORMATS[name].decode(data)
    assert {field: decoded[field] for field in fields} == fields
    if name == "atc" and address:
        assert decoded["mac"] == address

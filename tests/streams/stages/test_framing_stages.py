"""The other stages for frames: each by the contract, and each pair together."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading, gap_reading
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.framing import cobs_encode, slip_encode
from rt_edge.streams.stages.cobs_decode import CobsDecode
from rt_edge.streams.stages.cobs_encode import CobsEncode
from rt_edge.streams.stages.crc_append import CrcAppend
from rt_edge.streams.stages.crc_check import CrcCheck
from rt_edge.streams.stages.delimiter_encode import DelimiterEncode
from rt_edge.streams.stages.length_field_decode import LengthFieldDecode
from rt_edge.streams.stages.length_field_encode import LengthFieldEncode
from rt_edge.streams.stages.slip_decode import SlipDecode
from rt_edge.streams.stages.slip_encode import SlipEncode
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract


def payload(n: int) -> bytes:
    return bytes((n * i * 37) % 256 for i in range(n % 9))


class TestCobsEncode(StageContract):
    def make(self) -> Any:
        return CobsEncode()

    def item(self, n: int) -> Any:
        return payload(n)

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[cobs_encode(data) + b"\0" for data in inputs[0]]]


class TestSlipEncode(TestCobsEncode):
    def make(self) -> Any:
        return SlipEncode(field="raw")

    def item(self, n: int) -> Any:
        return Reading("a", n, {"raw": payload(n)})

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[Reading("a", r.ts, {"raw": b"\xc0" + slip_encode(r.fields["raw"]) + b"\xc0"}) for r in inputs[0]]]


class TestDelimiterEncode(TestCobsEncode):
    def make(self) -> Any:
        return DelimiterEncode(delimiter="hex:0d0a")

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[data + b"\r\n" for data in inputs[0]]]


class TestLengthFieldEncode(TestCobsEncode):
    def make(self) -> Any:
        return LengthFieldEncode(size=4, order="little")

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[len(data).to_bytes(4, "little") + data for data in inputs[0]]]


class TestCrcAppend(TestCobsEncode):
    def make(self) -> Any:
        return CrcAppend(crc="CRC-8")

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[data + bytes([crc8(data)]) for data in inputs[0]]]


class TestCrcCheck(TestCobsEncode):
    """Every third one is wrong."""

    def make(self) -> Any:
        return CrcCheck(crc="CRC-8")

    def item(self, n: int) -> Any:
        return payload(n) + bytes([crc8(payload(n)) ^ (n % 3 == 0)])

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[data[:-1] for data in inputs[0] if data[-1] == crc8(data[:-1])]]


class TestCobsDecode(TestCobsEncode):
    """Frames cut anywhere."""

    drops_again = "bytes that come in another order are no frames"
    takes = "an element has its outcome when it is known that no frame needs more of it"

    def make(self) -> Any:
        return CobsDecode()

    def item(self, n: int) -> Any:
        encoded = cobs_encode(payload(n // 2)) + b"\0"
        half = len(encoded) // 2
        return encoded[half:] if n % 2 else encoded[:half]

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[payload(n) for n in range(len(inputs[0]) // 2)]]


class TestSlipDecode(TestCobsDecode):
    def make(self) -> Any:
        return SlipDecode()

    def item(self, n: int) -> Any:
        encoded = slip_encode(payload(n // 2)) + b"\xc0"
        half = len(encoded) // 2
        return encoded[half:] if n % 2 else encoded[:half]

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[payload(n) for n in range(len(inputs[0]) // 2) if payload(n)]]


class TestLengthFieldDecode(TestCobsDecode):
    def make(self) -> Any:
        return LengthFieldDecode(size=1)

    def item(self, n: int) -> Any:
        encoded = bytes([len(payload(n // 2))]) + payload(n // 2)
        half = len(encoded) // 2
        return encoded[half:] if n % 2 else encoded[:half]


def crc8(data: bytes) -> int:
    """CRC-8 by its definition."""
    register = 0
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register << 1 ^ 0x07) & 0xFF if register & 0x80 else register << 1
    return register


def test_wrong_checksum_is_dropped_and_rest_passes() -> None:
    """Readings without the field and gaps pass; a field that is no bytes fails."""
    gap = gap_reading("a", "offline", 1, 2)
    good = Reading("a", 0, {"raw": bytes.fromhex("1103006b00037687"), "n": 1})
    with StageBench(CrcCheck(crc="CRC-16/MODBUS", field="raw")) as bench:
        bench.sink.request(100)
        wrong = Reading("a", 0, {"raw": bytes.fromhex("1103006b00037688")})
        short = Reading("a", 0, {"raw": b"\x01"})
        text = Reading("a", 0, {"raw": "text"})
        bench.source.send(good, wrong, gap, short, Reading("a", 0, {"q": 1}), text)
        stripped = Reading("a", 0, {"raw": bytes.fromhex("1103006b0003"), "n": 1})
        bench.sink.expect_next(stripped, gap, Reading("a", 0, {"q": 1}))
        assert bench.source.outcomes.dropped("bad_crc") == [1, 3]
        assert bench.source.outcomes.failed() == [5]
        assert bench.counters["dropped_bad_crc"] == 2
        assert bench.counters["missing_field"] == 1


def test_good_ones_pass_when_a_later_one_stops_the_stage() -> None:
    """Under stop the first that is no bytes ends it; wrong checksums before it do not."""
    with StageBench(CrcCheck(crc="CRC-8", on_error="stop")) as bench:
        bench.sink.request(100)
        bench.source.send(b"\x00", b"\x01", 5, b"\x00")
        bench.sink.expect_next(b"")
        assert isinstance(bench.sink.error, TypeError)
        assert bench.source.outcomes.dropped("bad_crc") == [1]
        assert bench.source.outcomes.failed() == [2, 3]


def test_delimiter_inside_fails_and_too_long_fails_when_encoded() -> None:
    """What would not come back fails alone."""
    with StageBench(DelimiterEncode(delimiter=";")) as bench:
        bench.sink.request(100)
        bench.source.send(b"a", b"b;c", b"d")
        bench.sink.expect_next(b"a;", b"d;")
        assert bench.source.outcomes.failed() == [1]
    with StageBench(LengthFieldEncode(size=1)) as bench:
        bench.sink.request(100)
        bench.source.send(b"x" * 300, b"y")
        bench.sink.expect_next(b"\x01y")
        assert bench.source.outcomes.failed() == [0]


def test_length_field_is_read_when_written_in_a_configuration() -> None:
    """A frame with magic, little-endian length and checksum, out of noise."""
    properties = {"offset": 2, "size": 2, "order": "little", "trailer": 2, "magic": "hex:aa55", "field": "raw", "strip": False}
    check = Catalogue.built_in().check("length_field_decode", properties)
    assert check.stage is not None, check.errors
    frame = bytes.fromhex("aa55 0300 010203 beef")
    with StageBench(check.stage) as bench:
        bench.sink.request(100)
        bench.source.send(*(Reading("a", n, {"raw": piece}) for n, piece in enumerate([b"noise", frame[:3], frame[3:] + b"!"])))
        bench.sink.expect_next(Reading("a", 2, {"raw": frame}))
        assert bench.source.outcomes.stored() == [1, 2]
        assert bench.source.outcomes.dropped("garbage") == [0]


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("length_field_decode", {"size": 5}),
        ("length_field_encode", {"size": 0}),
        ("length_field_decode", {"magic": "x"}),
        ("crc_check", {"crc": "CRC-15"}),
        ("crc_append", {"crc": ""}),
        ("delimiter_encode", {"delimiter": ""}),
        ("cobs_decode", {"max_length": 0}),
        ("slip_decode", {"max_elements": 0}),
    ],
)
def test_settings_are_refused_when_they_cannot_be(kind: str, properties: dict[str, Any]) -> None:
    """When they are read, not when bytes come."""
    check = Catalogue.built_in().check(kind, properties)
    assert check.errors
    with pytest.raises(ConfigError):
        Catalogue.built_in().stage_type(kind)(**properties)

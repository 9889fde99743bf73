"""Registers to values and back."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.client.mixin import ModbusClientMixin

from adapters.modbus.codec import PointCodec, wire_places
from adapters.modbus.decoders import BitDecoder, RegisterDecoder
from adapters.modbus.kinds import FORMATS
from rt_edge.sdk import CodecError, ConfigError

VALUES = {
    "int16": -12345,
    "uint16": 54321,
    "int32": -1_234_567_890,
    "uint32": 0xDEADBEEF,
    "int64": -1_234_567_890_123_456_789,
    "uint64": 0xFEDCBA9876543210,
    "float16": 0.333251953125,
    "float32": 3.1415927410125732,
    "float64": math.e,
}
ORDER4 = ("ABCD", "CDAB", "BADC", "DCBA")


def swap(data: bytes, order: str) -> bytes:
    """The orders by their definition, written another way than in the codec."""
    words = [data[i : i + 2] for i in range(0, len(data), 2)]
    if order in ("CDAB", "DCBA"):
        words.reverse()
    if order in ("BADC", "DCBA"):
        words = [word[::-1] for word in words]
    return b"".join(words)


@pytest.mark.parametrize("order", ORDER4)
@pytest.mark.parametrize("kind", sorted(VALUES))
def test_value_is_read_and_written_when_type_and_order_are_any(kind: str, order: str) -> None:
    """Every type in every order is what struct and the definition of the order say, and comes back the same by the same codec."""
    codec = PointCodec(kind, order)
    wire = swap(struct.pack(">" + FORMATS[kind], VALUES[kind]), order)
    assert codec.decode(wire) == VALUES[kind]
    assert codec.encode(VALUES[kind]) == wire
    assert codec.registers == len(wire) // 2


@pytest.mark.parametrize("kind", ["int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"])
@pytest.mark.parametrize("word_order", ["big", "little"])
def test_value_is_as_pymodbus_says_when_words_are_in_either_order(kind: str, word_order: str) -> None:
    """pymodbus's own converter makes the same registers for ABCD (big) and CDAB (little)."""
    registers = ModbusClientMixin.convert_to_registers(
        VALUES[kind], getattr(ModbusClientMixin.DATATYPE, kind.upper()), word_order=word_order
    )
    wire = struct.pack(f">{len(registers)}H", *registers)
    codec = PointCodec(kind, "ABCD" if word_order == "big" else "CDAB")
    assert codec.encode(VALUES[kind]) == wire
    assert codec.decode(wire) == VALUES[kind]


@pytest.mark.parametrize("order", ["ABCDEFGH", "GHEFCDAB", "BADCFEHG", "HGFEDCBA", "CDABGHEF", "EFGHABCD"])
def test_all_eight_bytes_have_their_place_when_order_is_written_in_full(order: str) -> None:
    """An eight-letter order names the place of each byte on the wire."""
    value = 0x4142434445464748  # "ABCDEFGH"
    assert PointCodec("uint64", order).encode(value) == order.encode()


@pytest.mark.parametrize(("order", "size"), [("AB", 4), ("GHEFCDAB", 4), ("CDABGHEF", 2), ("ABDC", 4), ("AB", 8)])
def test_order_is_refused_when_it_does_not_fit_the_size(order: str, size: int) -> None:
    """An order that does not fit the type is a configuration error, not a wrong value."""
    with pytest.raises(ConfigError, match="does not fit"):
        wire_places(order, size)


def test_bytes_are_halves_of_a_register_when_type_is_8_bit() -> None:
    """int8 and uint8 are one half of a register, and writing one leaves the other alone."""
    assert PointCodec("uint8", high=True).decode(b"\xfe\x01") == 0xFE
    assert PointCodec("int8", high=True).decode(b"\xfe\x01") == -2
    assert PointCodec("uint8").decode(b"\xfe\x01") == 1
    assert PointCodec("uint8", high=True).encode(0x55, b"\xfe\x01") == b"\x55\x01"
    assert PointCodec("int8").encode(-1, b"\xfe\x01") == b"\xfe\xff"


@pytest.mark.parametrize("order", ["AB", "BA"])
@pytest.mark.parametrize("bit", range(16))
def test_bit_is_read_and_set_alone_when_it_is_in_a_register(bit: int, order: str) -> None:
    """A bit of a register reads as a bool; writing it changes no other bit."""
    codec = PointCodec("bool", order, bit=bit)
    word = struct.pack(">H" if order == "AB" else "<H", 1 << bit)
    assert codec.decode(word) is True
    assert codec.decode(b"\0\0") is False
    assert codec.encode(False, b"\xff\xff") == bytes(b ^ 0xFF for b in word)
    assert codec.encode(True, b"\0\0") == word


def test_text_is_read_when_padded_and_bytes_may_be_swapped() -> None:
    """Strings lose their padding; BADC swaps the bytes of each register; what is not UTF-8 is no value."""
    assert PointCodec("string", length=4).decode(b"pump\0\0\0\0") == "pump"
    assert PointCodec("string", "BADC", length=2).decode(b"uppm") == "pump"
    assert PointCodec("string", "BADC", length=2).encode("pump") == b"uppm"
    assert PointCodec("string", length=2).decode(b"\xff\xfeab") is None
    with pytest.raises(CodecError, match="at most 4 bytes"):
        PointCodec("string", length=2).encode("pumps")


@given(
    raw=st.integers(-32768, 32767),
    scale=st.sampled_from([0.1, 0.01, 0.001, 2, 10, 0.5, -1, 0.3]),
    offset=st.sampled_from([0, -40, 0.5]),
)
def test_raw_value_survives_when_scaled_and_written_back(raw: int, scale: float, offset: float) -> None:
    """What was read with scale and offset writes the same register back."""
    codec = PointCodec("int16", scale=scale, offset=offset)
    wire = struct.pack(">h", raw)
    value = codec.decode(wire)
    assert value == pytest.approx(raw * scale + offset)
    assert codec.encode(value) == wire  # type: ignore[arg-type]


def test_scaled_value_is_the_nearest_decimal_when_scale_is_a_tenth() -> None:
    """3 with scale 0.1 is 0.3, not 0.30000000000000004; whole numbers with a whole scale stay whole."""
    assert PointCodec("uint16", scale=0.1).decode(b"\0\3") == 0.3
    ten = PointCodec("uint16", scale=10).decode(b"\0\3")
    assert ten == 30
    assert isinstance(ten, int)


@pytest.mark.parametrize(
    ("codec", "value"),
    [
        (PointCodec("int16"), 40_000),
        (PointCodec("uint16"), -1),
        (PointCodec("uint16"), 1.5),
        (PointCodec("uint16"), True),
        (PointCodec("uint16"), "7"),
        (PointCodec("float32"), math.nan),
        (PointCodec("float32"), 1e39),
        (PointCodec("float16"), 1e6),
        (PointCodec("uint16", scale=0.1), 7000.0),
        (PointCodec("bool", bit=1), 2),
    ],
)
def test_write_is_refused_when_value_does_not_fit(codec: PointCodec, value: object) -> None:
    """A value that the registers cannot hold is refused, never cut."""
    with pytest.raises(CodecError):
        codec.encode(value, b"\0\0")  # type: ignore[arg-type]


def test_value_is_left_out_when_device_says_nan() -> None:
    """NaN and infinity are how devices say "no value": no value it is, also when scaled."""
    assert PointCodec("float32").decode(struct.pack(">f", math.nan)) is None
    assert PointCodec("float64", scale=0.1).decode(struct.pack(">d", math.inf)) is None
    block = RegisterDecoder([("a", 0, PointCodec("float32")), ("b", 2, PointCodec("uint16"))], 3)
    assert block.decode(struct.pack(">fH", math.nan, 7)) == ({"b": 7}, {"a": ""})


def points() -> st.SearchStrategy[list[tuple[str, int, PointCodec]]]:
    numbers = st.builds(PointCodec, st.sampled_from(["int16", "uint16", "int8", "uint8"]), high=st.booleans())
    wide = st.builds(PointCodec, st.sampled_from(["int32", "uint32", "int64", "uint64"]), st.sampled_from(ORDER4))
    bits = st.builds(PointCodec, st.just("bool"), bit=st.integers(0, 15))
    texts = st.builds(PointCodec, st.just("string"), st.sampled_from(["AB", "BA"]), length=st.integers(1, 4))
    one = st.tuples(st.integers(0, 20), st.one_of(numbers, wide, bits, texts))
    return st.lists(one, min_size=1, max_size=12).map(lambda found: [(f"p{i}", at, codec) for i, (at, codec) in enumerate(found)])


@given(points(), st.binary(min_size=64, max_size=64))
def test_block_decodes_as_its_points_when_they_overlap_have_holes_or_any_order(
    found: list[tuple[str, int, PointCodec]], data: bytes
) -> None:
    """One unpack of a block gives what each codec gives by itself, whatever lies where."""
    fields, missing = RegisterDecoder(found, 32).decode(data)
    for name, at, codec in found:
        expected = codec.decode(data[2 * at :])
        assert fields.get(name) == expected
        assert (name in missing) == (expected is None)


def test_points_in_a_row_need_no_gathering_when_they_are_big_endian() -> None:
    """The usual block (ascending, ABCD, with holes) is unpacked in place."""
    plain = RegisterDecoder([("a", 0, PointCodec("uint16")), ("b", 5, PointCodec("float32"))], 9)
    assert plain._gather is None
    assert plain.decode(struct.pack(">H8xf4x", 7, 1.5)) == ({"a": 7, "b": 1.5}, {})


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_coils_are_read_when_packed_least_significant_first(bits: list[bool]) -> None:
    """Bit 0 of the first byte is the first coil (application protocol, 6.1)."""
    packed = sum(bit << i for i, bit in enumerate(bits)).to_bytes((len(bits) + 7) // 8, "little")
    fields, missing = BitDecoder([(str(i), i) for i in range(len(bits))]).decode(packed)
    assert fields == {str(i): bit for i, bit in enumerate(bits)}
    assert not missing


def test_decode_names_the_lengths_when_data_is_short() -> None:
    """Too few bytes are an error with both lengths."""
    with pytest.raises(CodecError, match="2 bytes for a float32 of 2 registers"):
        PointCodec("float32").decode(b"\0\0")


@pytest.mark.parametrize(
    ("encoding", "order", "text", "data"),
    [
        ("utf-8", "AB", "Zähler", "Zähler".encode() + b"\0"),
        ("latin-1", "AB", "Zähler", b"Z\xe4hler"),
        ("latin-1", "BA", "Zähler", b"\xe4Zlhre"),
        ("ascii", "AB", "PLC-7", b"PLC-7 "),
        ("utf-16", "AB", "Öl", b"\0\xd6\0l"),
        ("utf-16", "BA", "Öl", b"\xd6\0l\0"),
    ],
)
def test_text_is_read_and_written_when_its_encoding_is_named(encoding: str, order: str, text: str, data: bytes) -> None:
    """Strings as devices have them: one byte or two a character, bytes of a register swapped or not, padded."""
    padded = data.ljust(8, b"\0")
    codec = PointCodec("string", order, length=4, encoding=encoding)
    assert codec.decode(padded) == text
    assert codec.decode(codec.encode(text)) == text


def test_text_has_no_value_when_it_is_not_in_its_encoding() -> None:
    """Bytes that are no text of the encoding are "no value"; characters that it does not have are refused."""
    assert PointCodec("string", length=2, encoding="ascii").decode(b"\xe4abc") is None
    with pytest.raises(CodecError, match="characters that ascii does not know"):
        PointCodec("string", length=2, encoding="ascii").encode("ä")

"""Types beyond struct's: BCD, 48 bits, parts of a register, bytes; read and written, and what is wrong with what stands there."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pymodbus.client.mixin import ModbusClientMixin

from adapters.modbus import ModbusAdapter
from adapters.modbus.blocks import Block, Point
from adapters.modbus.codec import PointCodec
from rt_edge.sdk import CodecError, ConfigError

SERIAL = {"serial": "/dev/ttyUSB0", "baud": 19200, "timeout": "200ms"}
ORDER4 = {"ABCD": "12345678", "CDAB": "56781234", "BADC": "34127856", "DCBA": "78563412"}
ORDER6 = {"ABCDEF": "010203040506", "EFCDAB": "050603040102", "BADCFE": "020104030605", "FEDCBA": "060504030201"}


@pytest.mark.parametrize(("order", "wire"), ORDER4.items())
def test_bcd32_has_the_digits_of_its_hexadecimal_in_every_order(order: str, wire: str) -> None:
    """12345678 is 12 34 56 78 on the wire, in the order of the letters, and back."""
    codec = PointCodec("bcd32", order)
    assert codec.decode(bytes.fromhex(wire)) == 12_345_678
    assert codec.encode(12_345_678) == bytes.fromhex(wire)


@given(st.integers(0, 9999))
def test_bcd16_reads_and_writes_its_decimal_digits(number: int) -> None:
    """Four decimal digits are the four hexadecimal digits of the register, also swapped and scaled."""
    wire = bytes.fromhex(f"{number:04d}")
    assert PointCodec("bcd16").decode(wire) == number
    assert PointCodec("bcd16").encode(number) == wire
    assert PointCodec("bcd16", "BA").encode(number) == wire[::-1]
    tenths = PointCodec("bcd16", scale=0.1)
    assert tenths.decode(wire) == number / 10
    assert tenths.encode(number / 10) == wire


@given(st.integers(0, 0xFFFF))
def test_register_is_no_bcd_when_one_digit_is_above_nine(word: int) -> None:
    """Never a wrong number: either all four digits are decimal, or the reason names what stood there."""
    wire = struct.pack(">H", word)
    if all((word >> shift & 0xF) <= 9 for shift in (0, 4, 8, 12)):
        assert PointCodec("bcd16", scale=10).decode(wire) == 10 * int(f"{word:x}")
    else:
        with pytest.raises(CodecError, match=f"{word:04x} is not BCD"):
            PointCodec("bcd16", scale=10).decode(wire)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("bcd16", 10_000),
        ("bcd16", -1),
        ("bcd32", 100_000_000),
        ("int48", 2**47),
        ("int48", -(2**47) - 1),
        ("uint48", 2**48),
        ("uint48", -1),
        ("uint48", True),
        ("bcd16", 1.5),
    ],
)
def test_value_is_refused_when_it_does_not_fit(kind: str, value: Any) -> None:
    """Nothing is cut off on the way to a device."""
    with pytest.raises(CodecError, match=r"does not fit|not a whole number|not a finite number"):
        PointCodec(kind).encode(value)


@pytest.mark.parametrize("named", ["short", "full"])
@pytest.mark.parametrize(("order", "wire"), ORDER6.items())
def test_48_bits_are_in_every_order(order: str, wire: str, named: str) -> None:
    """Six bytes in three registers; the four-letter orders mean the same as the six-letter ones."""
    written = order if named == "full" else dict(zip(ORDER6, ORDER4, strict=True))[order]
    codec = PointCodec("uint48", written)
    assert codec.registers == 3
    assert codec.decode(bytes.fromhex(wire)) == 0x010203040506
    assert codec.encode(0x010203040506) == bytes.fromhex(wire)


@given(st.integers(-(2**47), 2**47 - 1))
def test_48_bits_with_a_sign_are_the_low_bytes_of_64(number: int) -> None:
    """As struct packs the number in 64 bits, without the upper two bytes."""
    wire = struct.pack(">q", number)[2:]
    assert PointCodec("int48").decode(wire) == number
    assert PointCodec("int48").encode(number) == wire


@given(st.lists(st.booleans(), min_size=16, max_size=16), st.integers(0, 14), st.data())
def test_part_of_a_register_is_its_bits_and_leaves_the_others(bits: list[bool], low: int, data: st.DataObject) -> None:
    """The number of some bits of a register that pymodbus made of single bits (it has bits 0 to 7 in the first byte); writing it
    changes no other bit."""
    width = data.draw(st.integers(2, min(15, 16 - low))) if low < 15 else 1
    (register,) = ModbusClientMixin.convert_to_registers(bits, ModbusClientMixin.DATATYPE.BITS)
    wire = struct.pack(">H", register)
    codec = PointCodec("uint16", "BA", bit=low, width=width)
    number = codec.decode(wire)
    assert PointCodec("uint16", bit=low, width=width).decode(wire[::-1]) == number
    assert number == sum(bit << i for i, bit in enumerate(bits[low : low + width]))
    new = data.draw(st.integers(0, 2**width - 1))
    (after,) = struct.unpack(">H", codec.encode(new, wire))
    there = ModbusClientMixin.convert_from_registers([after], ModbusClientMixin.DATATYPE.BITS)
    expected = [*bits[:low], *(bool(new >> i & 1) for i in range(width)), *bits[low + width :]]
    assert list(there) == expected  # type: ignore[arg-type]
    with pytest.raises(CodecError, match="does not fit"):
        codec.encode(2**width, wire)


def test_bytes_are_as_they_stand_and_must_fill_their_registers() -> None:
    """Nothing is stripped or guessed; `BA` swaps within each register; a value of another length is not written."""
    codec = PointCodec("bytes", length=2)
    assert codec.decode(b"\0\xffab") == b"\0\xffab"
    assert PointCodec("bytes", "BA", length=2).decode(b"\0\xffab") == b"\xff\0ba"
    assert PointCodec("bytes", "BA", length=2).encode(b"\xff\0ba") == b"\0\xffab"
    for wrong in (b"abc", b"abcde", "abcd", 7):
        with pytest.raises(CodecError, match="is not 4 bytes"):
            codec.encode(wrong)


def test_block_says_what_is_wrong_when_a_point_is_unsound() -> None:
    """In one block: sound BCD, BCD with a bad digit, NaN."""
    points = [
        Point("level", "holding", 0, PointCodec("bcd16", scale=0.1)),
        Point("count", "holding", 1, PointCodec("bcd32", "CDAB")),
        Point("flow", "holding", 3, PointCodec("float32")),
        Point("bad", "holding", 5, PointCodec("bcd16", scale=0.1)),
    ]
    data = bytes.fromhex("0215567812347fc000001a34")
    assert Block(points).decode(data) == ({"level": 21.5, "count": 12_345_678}, {"flow": "", "bad": "1a34 is not BCD"})


def test_reading_is_bad_with_a_reason_when_digits_are_no_bcd(world: Any) -> None:
    """The slaves fill a reply with the number of its request: the ninth is BCD, the tenth is not."""
    points = {"count": {"holding": 0, "type": "bcd16"}, "raw": {"holding": 1}}
    w = world(channel=SERIAL, units={"u": {"unit": 1, "tags": {"hall": "3"}, "points": points}})
    w.line.serial = 8
    w.demand(2)
    w.time.run_until(5)
    good, bad = (e.reading for e in w.context.emitted)
    assert (good.fields, good.quality, good.tags) == ({"count": 9, "raw": 9}, "good", {"hall": "3"})
    assert (bad.fields, bad.quality) == ({"raw": 10}, "bad")
    assert bad.tags == {"hall": "3", "missing": "count", "wrong": "count: 000a is not BCD"}
    assert (w.context.counts["polls_wrong"], w.context.counts["polls_ok"]) == (1, 1)
    assert len(w.line.sent) == 2  # it was an answer: the demand is met


def test_reading_is_bad_also_when_nothing_else_was_read(world: Any) -> None:
    """A unit that says something wrong is not a silent one: its Reading says what, and there is no gap."""
    w = world(channel=SERIAL, units={"u": {"unit": 1, "points": {"count": {"holding": 0, "type": "bcd16"}}}})
    w.line.serial = 0xFFEF
    w.demand(2)
    w.time.run_until(5)
    assert [(e.reading.fields, e.reading.quality, e.reading.tags["wrong"]) for e in w.context.emitted] == [
        ({}, "bad", "count: fff0 is not BCD"),
        ({}, "bad", "count: fff1 is not BCD"),
    ]
    assert w.context.gaps == []


@pytest.mark.parametrize(
    ("point", "words"),
    [
        ({"holding": 0, "width_bits": 3}, "from `bit` on"),
        ({"holding": 0, "bit": 3, "width_bits": 3, "type": "int16"}, "a part of a register, a uint16"),
        ({"holding": 0, "bit": 14, "width_bits": 3}, "3 bits from bit 14 on do not fit"),
        ({"holding": 0, "type": "bytes"}, "a bytes needs `length_registers`"),
        ({"holding": 0, "type": "bytes", "length_registers": 2, "scale": 2}, "has no scale"),
        ({"holding": 0, "type": "bcd32", "order": "ABCDEFGH"}, "does not fit a value of 4 bytes"),
        ({"holding": 0, "type": "uint48", "order": "AB"}, "does not fit a value of 6 bytes"),
        ({"coil": 0, "bit": 1, "width_bits": 2}, "a coil is a bool"),
    ],
)
def test_settings_that_do_not_go_together_are_named(settings: Any, point: Any, words: str) -> None:
    """Said where they stand, with what to do."""
    with pytest.raises(ValidationError, match=words):
        settings(channel={"tcp": "127.0.0.1:502"}, units={"u": {"points": {"p": point}}})


@pytest.mark.parametrize(
    ("point", "takes", "refuses"),
    [
        ({"type": "bcd16"}, [0, 9999], [-1, 10_000]),
        ({"type": "bcd32", "scale": 0.01}, [0, 999_999.99], [1_000_000]),
        ({"type": "uint48"}, [0, 2**48 - 1], [2**48, -1]),
        ({"type": "int48"}, [-(2**47), 2**47 - 1], [2**47]),
        ({"bit": 4, "width_bits": 3}, [0, 7], [8, -1]),
        ({"type": "bytes", "length_registers": 2}, [b"abcd"], [b"abcde", "abcd"]),
    ],
)
def test_command_is_checked_against_the_range_of_the_type(
    settings: Any, point: Any, takes: list[Any], refuses: list[Any]
) -> None:
    """Before anything is on the wire."""
    s = settings(channel={"tcp": "127.0.0.1:502"}, units={"u": {"points": {"p": {"holding": 0, "writable": True, **point}}}})
    info = ModbusAdapter.points(s)["u/p"]
    assert [info.refusal(value) for value in takes] == [""] * len(takes)
    assert all(info.refusal(value) for value in refuses)


def test_orders_of_other_sizes_are_refused() -> None:
    """A six-letter order is for 48 bits only."""
    with pytest.raises(ConfigError, match="does not fit"):
        PointCodec("uint64", "EFCDAB")

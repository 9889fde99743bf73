"""`rt-edge modbus guess`: the right type and order is on top, from bytes and from a slave, with and without a known value."""

from __future__ import annotations

import asyncio
import json
import math
import struct
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.modbus import ModbusAdapter
from adapters.modbus.codec import PointCodec
from adapters.modbus.guess import ORDERS, TYPES, candidates, parse_expected
from rt_edge.data.errors import InternalError
from rt_edge.sdk import CodecError, ConfigError, TransientError
from rt_edge.settings.frozen import freeze
from rt_edge.settings.validate import melt
from rt_edge.testkit.command_line import command
from rt_edge.testkit.modbus_slave import RtuSlave, SlaveBank, SlaveUnit, TcpSlave
from rt_edge.testkit.scan_report import RecordingReport


def encoded(kind: str, order: str, values: list[float]) -> list[bytes]:
    return [PointCodec(kind, order).encode(value) for value in values]


def temperatures(n: int = 5) -> list[float]:
    """As a thermometer gives them: near 21.5, a little different each time."""
    random = Random(3)
    return [struct.unpack(">f", struct.pack(">f", random.gauss(21.5, 0.1)))[0] for _ in range(n)]


@pytest.mark.parametrize("order", ["ABCD", "CDAB", "BADC", "DCBA"])
def test_order_of_a_float_is_found_when_nothing_is_known_of_the_value(order: str) -> None:
    """A measured float32 in each of four orders: its own order and type is the best of all candidates."""
    best = candidates(encoded("float32", order, temperatures()), TYPES, None)[0]
    assert (best.kind, best.orders) == ("float32", (order,))
    assert best.values == tuple(temperatures())


@pytest.mark.parametrize("order", ["ABCDEFGH", "GHEFCDAB", "BADCFEHG", "HGFEDCBA", "CDABGHEF", "EFGHABCD"])
def test_order_of_a_double_is_found_when_nothing_is_known_of_the_value(order: str) -> None:
    """A float64 in each of six orders."""
    best = next(c for c in candidates(encoded("float64", order, temperatures()), TYPES, None) if c.kind == "float64")
    assert order in best.orders
    first = candidates(encoded("float64", order, temperatures()), ("float64", "uint64", "int64"), None)[0]
    assert (first.kind, first.orders) == ("float64", (order,))


@pytest.mark.parametrize("kind", ["uint32", "int32", "uint64", "int64"])
def test_order_of_a_counter_is_found_when_it_counts(kind: str) -> None:
    """A meter that counts up: in a wrong order it jumps or is huge."""
    size = PointCodec(kind).size
    values = [1_234_567 + 3 * i for i in range(6)]
    for order in ORDERS[size]:
        best = candidates(encoded(kind, order, values), (kind,), None)[0]
        assert best.orders == (order,)
        assert best.values == tuple(values)


@given(st.sampled_from(sorted(ORDERS[4])), st.floats(0.0625, 100_000, width=32), st.integers(1, 5))
def test_right_way_is_among_the_best_when_the_value_is_known(order: str, value: float, reads: int) -> None:
    """With what the display shows, whatever order: it is never left out, and all that is shown is as expected.

    It need not be alone: 50945.0 in the order BADC is 50944.004 in ABCD.
    """
    expected = parse_expected(f"{value:.4g}")
    found = candidates(encoded("float32", order, [value] * reads), TYPES, expected)
    assert any(order in c.orders for c in found if c.kind == "float32")
    assert all(isinstance(v, (int, float)) and expected[0] <= v <= expected[1] for c in found for v in c.values)
    assert len([c for c in found if c.kind == "float32"]) <= 4


def test_steady_way_wins_when_the_other_one_jumps() -> None:
    """A register that counts from 4097: swapped, it is 272, 528, 784, no less usual a size."""
    best, other = candidates(encoded("uint16", "AB", [4097, 4098, 4099, 4100]), ("uint16",), None)
    assert (best.orders, other.orders) == (("AB",), ("BA",))
    assert other.values[:2] == (272, 528)
    assert best.score > other.score


def test_scale_is_found_when_the_display_shows_a_decimal_point() -> None:
    """A register of 215 and a display of 21.5: scale 0.1, signed or not."""
    found = candidates([b"\0\xd7"], TYPES, parse_expected("21.5"))
    assert {(c.kind, c.scale) for c in found} == {("uint16", 0.1), ("int16", 0.1)}
    assert found[0].orders == ("AB",)
    assert found[0].values == (21.5,)


def test_value_is_found_in_the_middle_when_more_registers_are_read() -> None:
    """The offset of the value is found, too."""
    data = [b"\xff\xfe" + PointCodec("float32", "CDAB").encode(v) + b"\x12\x34" for v in temperatures()]
    best = candidates(data, TYPES, (20.0, 25.0))[0]
    assert (best.kind, best.orders, best.at) == ("float32", ("CDAB",), 1)


def test_text_is_found_when_registers_hold_one() -> None:
    """Characters in swapped bytes: the order that makes words of letters."""
    codec = PointCodec("string", "BA", length=4)
    found = [c for c in candidates([codec.encode("PLC-700")], TYPES, None) if c.kind == "string"]
    assert (found[0].orders, found[0].values) == (("BA",), ("PLC-700",))


@given(st.lists(st.binary(min_size=8, max_size=8), min_size=1, max_size=4))
def test_no_impossible_way_is_shown_when_bytes_are_any(reads: list[bytes]) -> None:
    """No NaN, no infinity, scores between 0 and 1, best first; each candidate is what the adapter would read."""
    found = candidates(reads, TYPES, None)
    assert [c.score for c in found] == sorted((c.score for c in found), reverse=True)
    for c in found:
        assert 0 < c.score <= 1
        for order in c.orders:
            codec = PointCodec(c.kind, order, c.scale, length=4)
            assert tuple(codec.decode(data[2 * c.at :]) for data in reads) == c.values
        assert all(not isinstance(v, float) or math.isfinite(v) for v in c.values)


@pytest.mark.parametrize("text", ["", "a", "5..1", "nan", "1..inf", "1.."])
def test_expected_value_is_refused_when_it_is_none(text: str) -> None:
    """What is neither a value nor a range."""
    with pytest.raises(ConfigError, match="neither a value nor a range"):
        parse_expected(text)


def settings(**given: Any) -> Any:
    tool = ModbusAdapter.tools()["guess"]
    return freeze(melt(tool.model.model_validate(given)))


async def report_of(**given: Any) -> RecordingReport:
    report = RecordingReport()
    await ModbusAdapter.tools()["guess"].run(settings(**given), report)
    return report


def test_slave_is_asked_and_its_order_is_found_when_it_is_on_a_line() -> None:
    """On a pty, ASCII framing: the snippet for the configuration has address, type and order."""

    async def main() -> None:
        low, high = struct.unpack(">HH", struct.pack(">f", 21.5))
        unit = SlaveUnit(holding={100: high, 101: low, 102: 0, 103: 0})
        async with RtuSlave(SlaveBank({11: unit}), framing="ascii") as slave:
            line = {"target": str(slave.path), "parity": "none", "framing": "ascii", "data_bits": 8}
            report = await report_of(**line, unit=11, holding=100, expect="20..25", reads=2, every="0s")
        best = next(iter(report.seen.values()))
        assert best.settings == {"value": {"holding": 100, "type": "float32", "order": "CDAB"}}
        assert best.name == "1 holding 100 float32 CDAB"
        assert best.details["values"] == [21.5, 21.5]

    asyncio.run(asyncio.wait_for(main(), 30))


def test_plain_words_are_said_when_there_is_nothing_to_guess() -> None:
    """A unit that is silent, one that refuses, and registers of which nothing makes the value."""

    async def main() -> None:
        bank = SlaveBank({1: SlaveUnit(holding=[1, 2, 3, 4]), 2: SlaveUnit(), 3: SlaveUnit()})
        bank[3].dead = True
        async with TcpSlave(bank) as slave:
            line = {"target": f"{slave.host}:{slave.port}", "holding": 0, "reads": 1, "unit_timeout": "50ms"}
            with pytest.raises(TransientError, match="unit 3 does not answer"):
                await report_of(**line, unit=3)
            with pytest.raises(CodecError, match="exception 2"):
                await report_of(**line, unit=2)
            report = await report_of(**line, unit=1, expect="1e30")
            assert not report.seen
            assert "0001 0002 0003 0004" in report.notes[0]

    asyncio.run(asyncio.wait_for(main(), 30))


def test_command_prints_json_when_asked_for() -> None:
    """The whole way: options, slave, ranked candidates as JSON; and which registers is a question."""

    async def main() -> None:
        bank = SlaveBank({7: SlaveUnit(input=list(struct.unpack(">HH", struct.pack(">f", 3.25))))})
        async with TcpSlave(bank) as slave:
            target = f"{slave.host}:{slave.port}"
            line = ("modbus", "guess", target, "--unit", "7", "--input", "0", "--registers", "2", "--expect", "3.25")
            found = json.loads(await command(*line, "--reads", "2", "--every", "0s", "--json"))["found"]
            assert found[0]["details"] | {"type": "float32", "orders": ["ABCD"], "address": 0, "rank": 1} == found[0]["details"]
            assert found[0]["settings"] == {"value": {"input": 0, "type": "float32"}}
            with pytest.raises(InternalError, match=r"ended with 2: .*which registers"):
                await command("modbus", "guess", target)

    asyncio.run(asyncio.wait_for(main(), 60))


def test_bcd_is_found_when_the_value_is_known_and_left_out_when_a_digit_is_above_nine() -> None:
    """0x2150 is 215.0 in tenths; in a register with 0x21A0 it cannot be BCD."""
    first, *_ = candidates([bytes.fromhex("2150"), bytes.fromhex("2149")], TYPES, (214.0, 216.0))
    assert (first.kind, first.scale, first.values) == ("bcd16", 0.1, (215.0, 214.9))
    assert not any(c.kind == "bcd16" and "AB" in c.orders for c in candidates([bytes.fromhex("21a0")], TYPES, None))

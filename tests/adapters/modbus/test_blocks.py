"""Which points are read together, and what that costs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.modbus.blocks import Block, Limits, Point, merge
from adapters.modbus.codec import PointCodec
from adapters.modbus.timing import serial_wire, tcp_wire

UINT16, FLOAT, BOOL = PointCodec("uint16"), PointCodec("float32"), PointCodec("bool")


def holding(*addresses: int) -> list[Point]:
    return [Point(f"r{a}", "holding", a, UINT16) for a in addresses]


def spans(blocks: list[Block]) -> list[tuple[str, int, int]]:
    return [(b.table, b.address, b.count) for b in blocks]


@pytest.mark.parametrize(("baud", "hole"), [(9600, 12), (19200, 14), (115200, 51)])
def test_hole_follows_the_baud_rate_when_line_is_serial(baud: int, hole: int) -> None:
    """The registers worth reading through are the published figures at 11 bits a character and 5 ms turnaround."""
    assert serial_wire(baud, 11, 0.005).hole() == hole


def test_hole_grows_with_turnaround_when_units_are_slow() -> None:
    """A slow unit makes a second request dearer, so bigger holes are read through; TCP has a default."""
    assert serial_wire(9600, 11, 0.050).hole() > 2 * serial_wire(9600, 11, 0.005).hole()
    assert tcp_wire(0.001).hole() == 50


@pytest.mark.parametrize(("n", "requests"), [(100, 1), (125, 1), (126, 2), (1000, 8)])
def test_contiguous_registers_take_the_fewest_requests_when_merged(n: int, requests: int) -> None:
    """100 points are 1 request, 1,000 are 8."""
    assert len(merge(holding(*range(n)), Limits(125, 2000, 12))) == requests


def test_hole_is_read_through_when_small_and_not_when_big() -> None:
    """A hole up to the limit joins, one more register does not."""
    limits = Limits(125, 2000, 12)
    assert spans(merge(holding(0, 13), limits)) == [("holding", 0, 14)]
    assert spans(merge(holding(0, 14), limits)) == [("holding", 0, 1), ("holding", 14, 1)]


def test_tables_are_not_mixed_and_bits_have_their_own_limits_when_merged() -> None:
    """Each table has its own requests; holes of coils are counted in registers of 16."""
    points = [*holding(1), Point("i", "input", 2, FLOAT), Point("c1", "coil", 0, BOOL), Point("c2", "coil", 160, BOOL)]
    assert spans(merge(points, Limits(125, 2000, 10))) == [("coil", 0, 161), ("holding", 1, 1), ("input", 2, 2)]
    far = [Point("a", "coil", 0, BOOL), Point("b", "coil", 1999, BOOL), Point("c", "coil", 2000, BOOL)]
    assert spans(merge(far, Limits(125, 2000, 125))) == [("coil", 0, 2000), ("coil", 2000, 1)]


def test_block_is_cut_at_holes_then_halved_when_split() -> None:
    """A refused block loses its holes first, then halves down to single points."""
    (block,) = merge(holding(0, 1, 2, 3, 8), Limits(125, 2000, 12))
    parts = block.runs()
    assert spans(parts) == [("holding", 0, 4), ("holding", 8, 1)]
    assert spans(parts[0].halves()) == [("holding", 0, 2), ("holding", 2, 2)]
    assert parts[1].halves() == []


def test_points_are_not_torn_apart_when_a_block_is_halved() -> None:
    """Bits of one register stay together, and a value of four registers stays whole."""
    bits = [Point(f"b{i}", "holding", 0, PointCodec("bool", bit=i)) for i in range(16)]
    (block,) = merge(bits, Limits(125, 2000, 0))
    assert block.halves() == []
    (block,) = merge([*bits, Point("f", "holding", 1, PointCodec("float64")), *holding(5)], Limits(125, 2000, 0))
    assert spans(block.halves()) in ([("holding", 0, 1), ("holding", 1, 5)], [("holding", 0, 5), ("holding", 5, 1)])


def test_blocks_begin_anew_when_told_to() -> None:
    """At a cut, and before and after a point that is to be read alone."""
    points = holding(*range(10))
    assert spans(merge(points, Limits(125, 2000, 0), {("holding", 4)})) == [("holding", 0, 4), ("holding", 4, 6)]
    alone = merge(points, Limits(125, 2000, 0), (), {("holding", 4)})
    assert spans(alone) == [("holding", 0, 4), ("holding", 4, 1), ("holding", 5, 5)]


@given(
    st.lists(st.tuples(st.integers(0, 600), st.sampled_from(["uint16", "float32", "float64"])), min_size=1, max_size=60),
    st.integers(0, 60),
    st.integers(4, 125),
)
def test_every_point_is_read_once_within_the_limits_when_merged(where: list[tuple[int, str]], hole: int, most: int) -> None:
    """Blocks cover each point once, never exceed the limit, never read through a bigger hole."""
    points = [Point(f"p{i}", "holding", at, PointCodec(kind)) for i, (at, kind) in enumerate(where)]
    blocks = merge(points, Limits(most, 2000, hole))
    assert sorted(n for b in blocks for n in b.names) == sorted(p.name for p in points)
    for block in blocks:
        assert block.count <= most
        wanted = {r for p in block.points for r in range(p.address, p.address + p.size)}
        run = 0
        for register in range(block.address, block.address + block.count):
            run = 0 if register in wanted else run + 1
            assert run <= hole

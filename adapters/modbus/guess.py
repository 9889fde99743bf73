"""How registers are to be read: every type and order that fits, ranked by what the values look like. No I/O."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from adapters.modbus.codec import PointCodec
from adapters.modbus.kinds import NUMBERS
from rt_edge.sdk import CodecError, ConfigError, Value

TYPES = ("uint16", "int16", "float32", "uint32", "int32", "float64", "uint64", "int64", "bcd16", "bcd32", "float16", "string")
"""What is tried, the more usual first: among equals it ranks higher."""

ORDERS = {
    2: ("AB", "BA"),
    4: ("ABCD", "CDAB", "BADC", "DCBA"),
    8: ("ABCDEFGH", "GHEFCDAB", "BADCFEHG", "HGFEDCBA", "CDABGHEF", "EFGHABCD"),
}
"""Bytes of a value -> its orders."""

SCALES = (1, 0.1, 0.01, 0.001, 10)
"""Factors that are tried for whole numbers when it is known what the value should be."""

USUAL = (1e-4, 1e7)
"""Between these magnitudes are nearly all measured values; floats far outside are mostly wrong orders."""

STEADY = 0.2
"""A measured value changes by less than this part of itself between reads, mostly; a wrong order jumps."""

RARE = {"float16": 0.5, "bcd16": 0.5, "bcd32": 0.5}
"""Hardly any device has these, and many registers that are something else could be read so."""


class Candidate(NamedTuple):
    """One way to read.

    Attributes:
        kind: type of the point.
        orders: those that give the same values.
        at: first register, counted from the first that was read.
        scale: for whole numbers, where it makes the value the expected one.
        values: one a read.
        score: 0 to 1; 0 is impossible.
        why: what speaks for and against it.
    """

    kind: str
    orders: tuple[str, ...]
    at: int
    scale: float
    values: tuple[Value, ...]
    score: float
    why: tuple[str, ...]


def parse_expected(text: str) -> tuple[float, float]:
    """Least and greatest value of `20..25`, or of `21.5` with 2 % either way.

    Raises:
        ConfigError: it is neither.
    """
    first, dots, last = text.partition("..")
    try:
        low, high = float(first), float(last if dots else first)
    except ValueError:
        low, high = math.nan, math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ConfigError(f"{text!r} is neither a value nor a range", "write 21.5, or 20..25")
    if not dots:
        slack = max(0.02 * abs(low), 1e-9)
        low, high = low - slack, high + slack
    return low, high


def candidates(reads: Sequence[bytes], kinds: Iterable[str], expected: tuple[float, float] | None) -> list[Candidate]:
    """Every way to read the registers, the most plausible first; impossible ones (NaN, no text, not as expected) are left out.

    Args:
        reads: data of the same registers, of one read or more.
        kinds: types to try.
        expected: range in which the value is known to be.
    """
    found: list[tuple[float, int, Candidate]] = []
    for rank, kind in enumerate(kinds):
        whole = kind in NUMBERS
        for scale in SCALES if whole and expected is not None else (1,):
            for at in _places(kind, len(reads[0]) // 2):
                found += ((-made.score, rank, made) for made in _of_kind(kind, at, scale, reads, expected))
    found.sort(key=lambda entry: (entry[0], entry[1], entry[2].at))
    return [candidate for _, _, candidate in found]


def _places(kind: str, count: int) -> range:
    """Registers at which a value of this type can begin; a text is all of them."""
    size = count if kind == "string" else PointCodec(kind).registers
    return range(count - size + 1)


def _of_kind(kind: str, at: int, scale: float, reads: Sequence[bytes], expected: tuple[float, float] | None) -> list[Candidate]:
    count = len(reads[0]) // 2
    orders: dict[tuple[Value, ...], list[str]] = {}
    size = 2 if kind == "string" else PointCodec(kind).size
    for order in ORDERS[size]:
        codec = PointCodec(kind, order, scale, length=count)
        try:
            decoded = [codec.decode(data[2 * at :]) for data in reads]
        except CodecError:  # no BCD
            continue
        if None not in decoded:
            orders.setdefault(tuple(value for value in decoded if value is not None), []).append(order)
    made = []
    for values, names in orders.items():
        score, why = _judge(kind, scale, values, expected)
        score *= RARE.get(kind, 1.0) * (1 - 0.01 * at)
        if score > 0:
            made.append(Candidate(kind, tuple(names), at, scale, values, score, why))
    return made


def _judge(
    kind: str, scale: float, values: tuple[Value, ...], expected: tuple[float, float] | None
) -> tuple[float, tuple[str, ...]]:
    """Score of these values, and why."""
    if kind == "string":
        return _judge_text(str(values[0]), expected)
    numbers = [float(value) for value in values if isinstance(value, (int, float))]
    why: list[str] = []
    score = 1.0
    if expected is not None:
        low, high = expected
        if not all(low <= number <= high for number in numbers):
            return 0.0, ()
        why.append("as expected")
        score *= 1.0 - 0.05 * SCALES.index(scale)
    elif all(number == 0 for number in numbers):
        return 0.3, ("always 0 says nothing",)
    score *= _magnitude(kind, numbers, why) * _steadiness(numbers, why)
    return score, tuple(why)


def _judge_text(text: str, expected: tuple[float, float] | None) -> tuple[float, tuple[str, ...]]:
    if expected is not None or not text or not all(char.isprintable() for char in text):
        return 0.0, ()
    plain = sum(char.isalnum() or char in " -_./" for char in text) / len(text)
    return (0.95 * plain if len(text) > 1 else 0.3), ("text",)


def _magnitude(kind: str, numbers: Sequence[float], why: list[str]) -> float:
    most = max(abs(number) for number in numbers)
    if kind.startswith("float"):
        if most == 0 or USUAL[0] <= most <= USUAL[1]:
            why.append("usual size")
            return 1.0
        why.append("unusual size")
        return 0.1
    bits = 8 * PointCodec(kind).size
    used = math.log2(most + 1) / bits
    if bits == 16:
        return 0.8 if used < 0.94 else 0.6
    why.append("fills its registers" if used > 0.75 else "usual size")
    # a wrong order has its lowest byte on top: a number that uses nearly all of its bits
    return 0.7 if used <= 0.25 else 0.9 - 0.3 * used if used <= 0.75 else 0.2


def _steadiness(numbers: Sequence[float], why: list[str]) -> float:
    if len(numbers) < 2:
        return 0.9
    span, most = max(numbers) - min(numbers), max(abs(number) for number in numbers)
    if span <= STEADY * most:
        why.append("steady" if span else "the same each time")
        return 1.0 if span else 0.95
    why.append("jumps")
    return 0.3

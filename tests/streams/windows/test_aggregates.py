"""Aggregates: named ones against the statistics of the standard library, however the values come in."""

from __future__ import annotations

import math
import statistics
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading
from rt_edge.streams.windows import AGGREGATES, Folded, ReadingAggregate, read_aggregates

VALUES = st.lists(st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6), min_size=1, max_size=40)


def made(readings: list[Reading], wanted: Any, pieces: list[int]) -> Reading | None:
    """The aggregates of readings that come in pieces, every second piece by way of another window."""
    whole = ReadingAggregate(read_aggregates(wanted))
    rest = list(readings)
    for number, n in enumerate([*pieces, len(readings)]):
        piece, rest = rest[:n], rest[n:]
        if not piece:
            continue
        if number % 2:
            other = ReadingAggregate(read_aggregates(wanted))
            other.add(piece)
            whole.merge(other)
        else:
            whole.add(piece)
    return whole.reading("a", 0, {})


@given(values=VALUES, pieces=st.lists(st.integers(1, 10), max_size=8))
def test_aggregates_are_those_of_the_whole_list_when_values_come_in_pieces(values: list[float], pieces: list[int]) -> None:
    """Whatever the pieces, the result is that of `statistics` over all values."""
    result = made([Reading("a", ts, {"p": value}) for ts, value in enumerate(values)], {"p": list(AGGREGATES)}, pieces)
    assert result is not None
    got = result.fields
    assert got["p_count"] == len(values)
    assert got["p_sum"] == pytest.approx(math.fsum(values), abs=1e-6)
    assert got["p_mean"] == pytest.approx(statistics.fmean(values), abs=1e-6)
    assert (got["p_min"], got["p_max"]) == (min(values), max(values))
    assert (got["p_first"], got["p_last"]) == (values[0], values[-1])
    if len(values) > 1:
        assert got["p_stddev"] == pytest.approx(statistics.stdev(values), rel=1e-6, abs=1e-4)
    else:
        assert "p_stddev" not in got


def test_first_and_last_go_by_time_when_readings_are_out_of_order() -> None:
    """The order of arrival does not matter, but between equal times."""
    rows = [(5, "e"), (1, "a"), (9, "x"), (9, "z"), (3, "c")]
    for pieces in ([5], [1, 1, 1, 1], [2, 2]):
        result = made([Reading("a", ts, {"p": text}) for ts, text in rows], ["first", "last", "count"], pieces)
        assert result is not None
        assert result.fields == {"p_first": "a", "p_last": "z", "p_count": 5}


def test_values_are_left_out_and_counted_when_they_are_no_numbers() -> None:
    """Text, truth and NaN have no mean; a field of these alone has no result but a count."""
    content = ReadingAggregate(read_aggregates({"p": ["mean", "count"], "q": "max"}))
    content.add([Reading("a", i, {"p": value, "q": "x"}) for i, value in enumerate([1, "x", True, math.nan, 3])])
    assert content.not_numbers == 3 + 5
    result = content.reading("a", 0, {})
    assert result is not None
    assert result.fields == {"p_mean": 2.0, "p_count": 5}


def test_all_fields_are_aggregated_when_none_is_named() -> None:
    """Fields that come later are taken too; beyond 256 they are left out and counted."""
    content = ReadingAggregate(read_aggregates("max"))
    content.add([Reading("a", 0, {"p": 1}), Reading("a", 1, {"p": 2, "q": 5})])
    result = content.reading("a", 0, {})
    assert result is not None
    assert result.fields == {"p_max": 2, "q_max": 5}
    content.add([Reading("a", 2, {f"f{i}": i for i in range(300)})])
    assert content.left_out == 300 - 254


def test_quality_is_the_worst_and_tags_are_those_of_all() -> None:
    """What readings do not agree on is not said of their aggregate."""
    content = ReadingAggregate(read_aggregates("max"))
    content.add([Reading("a", 0, {"p": 1}, "uncertain", {"line": "1", "shift": "x"}, received=5)])
    content.add([Reading("a", 0, {"p": 2}, "good", {"line": "1", "shift": "y"}, received=7)])
    assert content.reading("a", 3, {"k": "v"}) == Reading("a", 3, {"p_max": 2}, "uncertain", {"line": "1", "k": "v"}, 7)


def test_sum_is_a_float_when_it_fits_no_64_bits() -> None:
    """What is stored fits into 64 bits."""
    result = made([Reading("a", i, {"p": 2**62}) for i in range(8)], "sum", [3])
    assert result is not None
    assert result.fields["p_sum"] == float(2**65)
    assert isinstance(result.fields["p_sum"], float)


@pytest.mark.parametrize("wrong", ["median", ["mean", "avg"], {"p": "maks"}, {}, {"p": []}, []])
def test_aggregate_is_refused_when_it_does_not_exist(wrong: Any) -> None:
    """A settings error, with the nearest name."""
    with pytest.raises(ConfigError) as caught:
        read_aggregates(wrong)
    assert caught.value.hint


def test_fold_is_combined_when_windows_become_one() -> None:
    """Two folds are combined by the function that was given for it."""
    folds = [Folded(0, lambda a, b: a + b, max) for _ in range(2)]
    for fold, values in zip(folds, ([1, 2], [5]), strict=True):
        for value in values:
            fold.add(value)
    folds[0].merge(folds[1])
    assert folds[0].value == 5


def test_result_does_not_depend_on_pieces_when_all_aggregates_are_random() -> None:
    """One thousand values in random pieces against one piece."""
    random = Random(5)
    readings = [Reading("a", random.randint(0, 999), {"p": random.gauss(1e6, 1)}) for _ in range(1000)]
    one = made(readings, {"p": list(AGGREGATES)}, [1000])
    many = made(readings, {"p": list(AGGREGATES)}, [random.randint(1, 30) for _ in range(40)])
    assert one is not None
    assert many is not None
    assert many.fields == {name: pytest.approx(value, rel=1e-6) for name, value in one.fields.items()}

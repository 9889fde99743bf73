"""Downsampling: lttb against the algorithm as its paper tells it, min_max against the obvious function."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rt_edge.streams.downsampling import lttb, min_max


def reference(points: list[tuple[int, float]], threshold: int) -> list[int]:
    """Steinarsson's algorithm, step by step: split into buckets, go from left to right, take the largest triangle."""
    n = len(points)
    if threshold >= n:
        return list(range(n))
    if threshold == 2:
        return [0, n - 1]
    size = (n - 2) / (threshold - 2)
    buckets = [[0]]
    for i in range(threshold - 2):
        start, end = math.floor(i * size) + 1, math.floor((i + 1) * size) + 1
        buckets.append(list(range(start, n - 1 if i == threshold - 3 else end)))
    buckets.append([n - 1])
    selected = [0]
    for i in range(1, threshold - 1):
        next_bucket = [points[j] for j in buckets[i + 1]]
        cx = sum(x for x, _ in next_bucket) / len(next_bucket)
        cy = sum(y for _, y in next_bucket) / len(next_bucket)
        ax, ay = points[selected[-1]]
        areas = {j: abs((ax - cx) * (points[j][1] - ay) - (ax - points[j][0]) * (cy - ay)) / 2 for j in buckets[i]}
        selected.append(max(areas, key=lambda j: (areas[j], -j)))
    return [*selected, n - 1]


@given(
    values=st.lists(st.integers(-1000, 1000), min_size=1, max_size=120),
    steps=st.lists(st.integers(1, 9), min_size=120, max_size=120),
    keep=st.integers(2, 40),
)
def test_points_are_those_of_the_paper_when_series_are_random(values: list[int], steps: list[int], keep: int) -> None:
    """With unequal distances, for any number of points."""
    times = [sum(steps[:i]) for i in range(len(values))]
    got = lttb(times, values, keep)
    assert got == reference(list(zip(times, values, strict=True)), keep)
    assert got == sorted(set(got))
    assert len(got) == min(len(values), keep)
    assert {0, len(values) - 1} <= set(got)


def test_spike_stays_when_a_flat_line_is_thinned() -> None:
    """What an eye would see, at times as they are, nanoseconds since 1970."""
    values = [0.0] * 1000
    values[437] = 50.0
    assert 437 in lttb([1_700_000_000 * 10**9 + n * 10**9 for n in range(1000)], values, 20)


@pytest.mark.parametrize("n", range(1, 6))
def test_all_points_stay_when_there_are_few(n: int) -> None:
    """As many as wanted, or fewer."""
    assert lttb(list(range(n)), [1.0] * n, 5) == list(range(n))


@given(values=st.lists(st.integers(-5, 5), max_size=20))
def test_extremes_are_the_first_of_equals(values: list[int]) -> None:
    """Least and greatest, in order of their places."""
    expected = sorted({values.index(min(values)), values.index(max(values))}) if values else []
    assert min_max(values) == expected

"""Fewer points that look like many: which of a series to keep. Pure functions over lists of times and values."""

from __future__ import annotations

from collections.abc import Sequence


def min_max(values: Sequence[float]) -> list[int]:
    """Places of the least and of the greatest value, the first of equals, in order; one place if they are the same."""
    if not values:
        return []
    places = range(len(values))
    return sorted({min(places, key=values.__getitem__), max(places, key=values.__getitem__)})


def lttb(times: Sequence[int], values: Sequence[float], keep: int) -> list[int]:
    """Places of `keep` points by largest triangle three buckets (Steinarsson, Downsampling time series for visual
    representation, University of Iceland 2013, section 4.2), in order.

    The first and the last point stay. Those between are divided into `keep - 2` buckets; of each the point stays that makes
    the largest triangle with the one that stayed before and the mean of the next bucket.

    Args:
        times: ascending.
        values: one for each time.
        keep: at least 2.
    """
    n = len(values)
    if keep >= n:
        return list(range(n))
    if keep < 3:
        return [0, n - 1]
    width = (n - 2) / (keep - 2)
    edges = [1 + int(i * width) for i in range(keep - 1)]  # bucket i is edges[i] to edges[i + 1]
    edges[-1] = n - 1
    zero = times[0]
    chosen = [0]
    for i in range(keep - 2):
        last = i == keep - 3
        begin, end = (n - 1, n) if last else (edges[i + 1], edges[i + 2])
        mean_t = sum(times[begin:end]) / (end - begin) - zero
        mean_v = sum(values[begin:end]) / (end - begin)
        before = chosen[-1]
        t, v = times[before] - zero, values[before]
        best, largest = edges[i], -1.0
        for place in range(edges[i], edges[i + 1]):
            area = abs((t - mean_t) * (values[place] - v) - (t - (times[place] - zero)) * (mean_v - v))
            if area > largest:
                best, largest = place, area
        chosen.append(best)
    chosen.append(n - 1)
    return chosen

"""Windows: which elements are in which windows, and when they close, against the obvious functions on lists."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rt_edge.streams.windows import AHEAD, LATE, Folded, Session, Sliding, Tumbling, Window, Windows
from rt_edge.streams.windows.machine import Bounds

UNBOUNDED = Bounds(10**6, 10**6, None, None)
TIMES = st.lists(st.integers(0, 200), max_size=60)


def collector() -> Folded:
    return Folded((), lambda state, element: (*state, element), lambda a, b: a + b)


def machine(assigner: Any, lateness: int = 0, bounds: Bounds = UNBOUNDED) -> Windows:
    return Windows(assigner, collector, lateness, bounds)


def put(windows: Windows, ts: int, key: Any = "a", now: float = 0.0, wall: int | None = None) -> Any:
    found = windows.place(key, ts, now, wall)
    if isinstance(found, list):
        for window in found:
            window.final().content.add(ts)  # type: ignore[attr-defined]
    return found


def closed(windows: Windows) -> list[tuple[int, int, list[int]]]:
    return [(w.start, w.end, sorted(w.content.value)) for w in windows.take_closed()]  # type: ignore[attr-defined]


def spans(times: list[int], size: int, every: int) -> list[tuple[int, int, list[int]]]:
    """The obvious function: all windows with something in them."""
    starts = sorted({s for ts in times for s in range(ts // every * every, ts - size, -every)})
    return [(s, s + size, sorted(ts for ts in times if s <= ts < s + size)) for s in starts]


def sessions(times: list[int], gap: int) -> list[tuple[int, int, list[int]]]:
    """The obvious function: sorted times, cut where the gap is."""
    out: list[tuple[int, int, list[int]]] = []
    for ts in sorted(times):
        if out and ts < out[-1][1]:
            out[-1] = (out[-1][0], ts + gap, [*out[-1][2], ts])
        else:
            out.append((ts, ts + gap, [ts]))
    return out


@given(times=TIMES, size=st.integers(1, 30))
def test_tumbling_windows_are_those_of_the_list_when_nothing_is_late(times: list[int], size: int) -> None:
    """With lateness enough, every element is in its window, and windows close by their ends."""
    windows = machine(Tumbling(size), lateness=200)
    for ts in times:
        assert len(put(windows, ts)) == 1
    windows.close_all()
    assert closed(windows) == spans(times, size, size)
    assert windows.windows == 0


@given(times=TIMES, size=st.integers(1, 30), every=st.integers(1, 30))
def test_sliding_windows_are_those_of_the_list_when_nothing_is_late(times: list[int], size: int, every: int) -> None:
    """An element is in each window that covers its time."""
    every = min(size, every)
    windows = machine(Sliding(size, every), lateness=200)
    for ts in times:
        assert put(windows, ts)
    windows.close_all()
    assert closed(windows) == spans(times, size, every)


@given(times=TIMES, gap=st.integers(1, 30))
def test_sessions_are_those_of_the_list_when_nothing_is_late(times: list[int], gap: int) -> None:
    """Whatever the order of arrival: sessions that are bridged become one."""
    windows = machine(Session(gap), lateness=300)
    for ts in times:
        assert put(windows, ts)
    windows.close_all()
    assert sorted(closed(windows)) == sessions(times, gap)
    assert windows.windows == 0


@given(times=TIMES, lateness=st.integers(0, 50), kind=st.sampled_from(["tumbling", "sliding", "session"]))
def test_every_element_is_in_windows_or_late_when_lateness_is_short(times: list[int], lateness: int, kind: str) -> None:
    """Nothing is lost or doubled; no window closes before the watermark is there, and none is made twice."""
    assigner: Any = {"tumbling": Tumbling(20), "sliding": Sliding(20, 10), "session": Session(10)}[kind]
    windows = machine(assigner, lateness)
    seen: Counter[int] = Counter()
    late: Counter[int] = Counter()
    made: list[tuple[int, int, list[int]]] = []
    latest = -1
    for ts in times:
        if put(windows, ts) is LATE:
            late[ts] += 1
            end = {"tumbling": ts // 20 * 20 + 20, "sliding": ts // 10 * 10 + 20, "session": ts + 10}[kind]
            assert end <= latest - lateness, "late, though a window of it is open"
        latest = max(latest, ts)
        fresh = closed(windows)
        assert all(end <= latest - lateness for _, end, _ in fresh)
        made += fresh
    windows.close_all()
    made += closed(windows)
    starts = [start for start, _, _ in made]
    assert len(starts) == len(set(starts)), "a window was made twice"
    for _, _, elements in made:
        seen.update(elements)
    missing = Counter(times) - late - seen
    assert not missing, f"lost: {missing}"
    if kind != "sliding":
        assert seen + late == Counter(times)


def test_keys_have_watermarks_of_their_own_when_one_is_ahead() -> None:
    """A device whose clock is fast closes only its own windows."""
    windows = machine(Tumbling(10))
    put(windows, 1, "slow")
    put(windows, 1001, "fast")
    assert closed(windows) == []
    put(windows, 12, "slow")
    assert closed(windows) == [(0, 10, [1])]


def test_silent_key_is_closed_when_it_is_idle() -> None:
    """Its windows close whole, and what comes later for them is late; other keys stay open."""
    windows = machine(Tumbling(10), lateness=100)
    put(windows, 1, "a", now=0.0)
    put(windows, 15, "a", now=1.0)
    put(windows, 1, "b", now=5.0)
    windows.close_idle(6.0, 5.0)
    assert closed(windows) == [(0, 10, [1]), (10, 20, [15])]
    assert windows.counts["closed_idle"] == 2
    assert put(windows, 16, "a", now=7.0) is LATE
    assert put(windows, 20, "a", now=7.0) is not LATE
    assert windows.silent_since() == 5.0


def test_time_is_not_believed_when_it_is_too_far_ahead() -> None:
    """A jump closes nothing; a key that has been silent may be as much later as time has passed; without a clock the first
    time is believed."""
    bounds = UNBOUNDED._replace(ahead=100)
    windows = machine(Tumbling(10), bounds=bounds)
    assert put(windows, 1000, wall=1000) is not AHEAD
    assert put(windows, 1101, now=0.0, wall=1000) is AHEAD
    assert put(windows, 1100, now=0.0, wall=1000) is not AHEAD
    assert put(windows, 1201, now=1e-9, wall=0) is not AHEAD
    assert put(windows, 1500, "new", wall=1000) is AHEAD
    assert put(windows, 1500, "new", wall=None) is not AHEAD
    assert put(windows, 1700, "new", wall=None) is AHEAD
    assert windows.windows == 2


def test_windows_close_early_when_there_are_too_many() -> None:
    """The earliest of the key that is silent for longest goes, and is not made again."""
    windows = machine(Tumbling(10), lateness=1000, bounds=UNBOUNDED._replace(windows=3))
    for ts, key in [(1, "a"), (11, "a"), (1, "b"), (11, "b")]:
        put(windows, ts, key)
    assert closed(windows) == [(0, 10, [1])]
    assert put(windows, 2, "a") is LATE
    assert put(windows, 2, "b") is not LATE
    assert windows.counts["closed_early"] == 1
    assert windows.windows == 3


def test_windows_close_early_when_they_hold_too_much() -> None:
    """Elements in open windows are bounded."""
    windows = machine(Tumbling(10), lateness=1000, bounds=UNBOUNDED._replace(elements=5))
    for ts in [1, 2, 3, 11, 12, 13]:
        put(windows, ts)
    assert closed(windows) == [(0, 10, [1, 2, 3])]


def test_key_is_forgotten_when_there_are_too_many() -> None:
    """One without open windows first, else the one that is silent for longest, whose windows close."""
    windows = machine(Tumbling(10), bounds=UNBOUNDED._replace(keys=2))
    put(windows, 1, "a")
    put(windows, 1, "b", now=1.0)
    windows.close_idle(1.5, 1.0)
    assert closed(windows) == [(0, 10, [1])]
    put(windows, 1, "c", now=2.0)
    assert closed(windows) == []
    put(windows, 1, "d", now=3.0)
    assert closed(windows) == [(0, 10, [1])]
    assert windows.counts["evicted"] == 2
    assert windows.keys == 2


@pytest.mark.parametrize("ts", [-1, -10, -11])
def test_window_begins_before_the_time_when_the_time_is_negative(ts: int) -> None:
    """Before 1970, too."""
    found = Tumbling(10).assign("a", ts, -(2**63), {}, collector)
    assert isinstance(found[0], Window)
    assert found[0].start <= ts < found[0].end

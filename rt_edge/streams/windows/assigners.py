"""Which windows an element belongs to, by its time: tumbling, sliding, session. Times are nanoseconds."""

from __future__ import annotations

from typing import Any, Protocol

from rt_edge.streams.windows.window import MakeContent, Window


class Assigner(Protocol):
    """Finds the windows of a time among the open ones of a key, and opens those that are missing."""

    def assign(self, key: Any, ts: int, floor: int, opened: dict[int, Window], make: MakeContent) -> list[Window]:
        """The windows of `ts`; none if all it would be in have ended before `floor`. `opened`: by start, changed here."""
        ...


class Tumbling:
    """Windows of one size, one behind the other: each time is in exactly one.

    Args:
        size: nanoseconds.
        offset: where the first one begins, nanoseconds behind 1970 UTC.
    """

    __slots__ = ("_offset", "_size")

    def __init__(self, size: int, offset: int = 0) -> None:
        self._size = size
        self._offset = offset

    def assign(self, key: Any, ts: int, floor: int, opened: dict[int, Window], make: MakeContent) -> list[Window]:
        """The one window."""
        start = ts - (ts - self._offset) % self._size
        window = opened.get(start)
        if window is None:
            if start + self._size <= floor:
                return []
            window = opened[start] = Window(key, start, start + self._size, make())
        return [window]


class Sliding:
    """Windows of one size that begin every so often: each time is in `size / every` of them, rounded either way.

    Args:
        size: nanoseconds.
        every: nanoseconds between their beginnings.
        offset: where one begins, nanoseconds behind 1970 UTC.
    """

    __slots__ = ("_every", "_offset", "_size")

    def __init__(self, size: int, every: int, offset: int = 0) -> None:
        self._size = size
        self._every = every
        self._offset = offset

    def assign(self, key: Any, ts: int, floor: int, opened: dict[int, Window], make: MakeContent) -> list[Window]:
        """Those that have not ended, the earliest first."""
        found = []
        start = ts - (ts - self._offset) % self._every
        while start > ts - self._size:
            window = opened.get(start)
            if window is None and start + self._size > floor:
                window = opened[start] = Window(key, start, start + self._size, make())
            if window is not None:
                found.append(window)
            start -= self._every
        found.reverse()
        return found


class Session:
    """Windows that go on as long as elements come less than a gap apart; the end is the last time plus the gap.

    Args:
        gap: nanoseconds.
    """

    __slots__ = ("_gap",)

    def __init__(self, gap: int) -> None:
        self._gap = gap

    def assign(self, key: Any, ts: int, floor: int, opened: dict[int, Window], make: MakeContent) -> list[Window]:
        """The session that `ts` is in, or continues, or bridges to another one."""
        end = ts + self._gap
        near = [window for window in opened.values() if ts < window.end and window.start < end]
        if not near:
            if end <= floor:
                return []
            window = opened[ts] = Window(key, ts, end, make())
            return [window]
        for window in near:
            del opened[window.start]
        near.sort(key=lambda window: window.start)
        first = near[0]
        for window in near[1:]:
            first.absorb(window)
        first.start = min(first.start, ts)
        first.end = max(first.end, end)
        opened[first.start] = first
        return [first]

"""Windows: the state machine of all windows of a stage: keys, watermarks, bounds.

Each key has a watermark of its own: the latest time it has shown, less the lateness. A window closes when the watermark of its
key reaches its end; so one device whose clock is wrong closes nobody else's windows. An element is late if all windows it would
be in have closed. A key that falls silent can be closed by the time that passes here (`close_idle`).

All is bounded: keys, open windows, elements in open windows. Where a bound is reached, the earliest window of the key that has
been silent for longest closes before its time, and its key's watermark moves to its end: no window is ever made twice. But what
an origin emits again was not stored: if its window has closed, it is opened once more.
"""

from __future__ import annotations

import enum
from collections import Counter, OrderedDict
from typing import Any, Final, NamedTuple

from rt_edge.streams.windows.assigners import Assigner
from rt_edge.streams.windows.window import MakeContent, Window

BEFORE_ALL: Final = -(2**63)
"""Earlier than every time."""


class Refused(enum.Enum):
    """Why an element is in no window."""

    LATE = "late"
    """Every window it would be in has closed."""
    AHEAD = "ahead"
    """Its time is too far in the future to be believed."""


LATE = Refused.LATE
AHEAD = Refused.AHEAD


class Bounds(NamedTuple):
    """What windows may take.

    Attributes:
        keys: keys remembered.
        windows: open windows, of all keys.
        elements: elements in open windows, counted once a window; None: not counted, as they are not kept.
        ahead: nanoseconds by which a time may be later than now, and than what its key has shown; None: by any.
    """

    keys: int
    windows: int
    elements: int | None
    ahead: int | None


class _Key:
    __slots__ = ("floor", "latest", "opened", "seen")

    def __init__(self) -> None:
        self.latest = BEFORE_ALL
        self.floor = BEFORE_ALL  # nothing that ends before may be opened
        self.opened: dict[int, Window] = {}
        self.seen = 0.0


class Windows:
    """All windows of a stage.

    Args:
        assigner: which windows a time is in.
        make: a fresh content for a window.
        lateness: nanoseconds that the watermark of a key stays behind the latest time it has shown.
        bounds: how many of what.

    Attributes:
        closed: windows that have closed, until somebody takes them (`take_closed`).
        counts: `evicted` keys, windows `closed_early` by a bound, `closed_idle`.
    """

    def __init__(self, assigner: Assigner, make: MakeContent, lateness: int, bounds: Bounds) -> None:
        self._assigner = assigner
        self._make = make
        self._lateness = lateness
        self._bounds = bounds
        self._active: OrderedDict[Any, _Key] = OrderedDict()  # with open windows, the longest silent first
        self._resting: OrderedDict[Any, _Key] = OrderedDict()  # without; they remember what has closed
        self._windows = 0
        self._elements = 0
        self._overdue: set[Any] = set()  # keys of windows that were opened once more
        self.closed: list[Window] = []
        self.counts: Counter[str] = Counter()

    @property
    def keys(self) -> int:
        """Keys remembered."""
        return len(self._active) + len(self._resting)

    @property
    def windows(self) -> int:
        """Open windows."""
        return self._windows

    def place(self, key: Any, ts: int, now: float, wall: int | None, again: bool = False) -> list[Window] | Refused:
        """The windows of an element; or why it is in none.

        Args:
            key: whose it is.
            ts: its time, nanoseconds.
            now: monotonic seconds, to know which key is silent.
            wall: what time it is, nanoseconds; None if nobody knows.
            again: its origin emits it again: where its windows have closed they are opened once more, until `close_overdue`.
        """
        state = self._active.get(key) or self._resting.get(key)
        if self._bounds.ahead is not None and self._is_ahead(state, ts, now, wall):
            return AHEAD
        if state is None:
            state = self._new_key(key)
        before = len(state.opened)
        found = self._assigner.assign(key, ts, state.floor, state.opened, self._make)
        if not found and again:
            found = self._assigner.assign(key, ts, BEFORE_ALL, state.opened, self._make)
            self._overdue.add(key)
        if not found:
            return LATE
        self._windows += len(state.opened) - before
        for window in found:
            window.n += 1
        self._elements += len(found)
        self._note_seen(key, state, now)
        if ts > state.latest:
            state.latest = ts
            self._raise_floor(key, state, ts - self._lateness)
        self._keep_bounds()
        return found

    def close_overdue(self) -> None:
        """Close what was opened once more for elements that came again."""
        for key in self._overdue:
            state = self._active.get(key)
            if state is not None:
                self._close_due(key, state)
        self._overdue.clear()

    def close_idle(self, now: float, seconds: float) -> None:
        """Close all windows of keys that have been silent for so long."""
        for key, state in list(self._active.items()):
            if now - state.seen < seconds:
                break
            self.counts["closed_idle"] += len(state.opened)
            self._raise_floor(key, state, max(window.end for window in state.opened.values()))

    def silent_since(self) -> float | None:
        """When the key with open windows that is silent for longest was heard last; None if no window is open."""
        return next((state.seen for state in self._active.values()), None)

    def close_all(self) -> None:
        """Close every window, by their ends."""
        opened = [window for state in self._active.values() for window in state.opened.values()]
        for key, state in list(self._active.items()):
            state.floor = max(state.floor, *(window.end for window in state.opened.values()))
            state.opened = {}
            self._rest(key, state)
        self._close(sorted(opened, key=lambda window: (window.end, window.start)))

    def take_closed(self) -> list[Window]:
        """The windows that have closed since the last call."""
        closed, self.closed = self.closed, []
        return closed

    # -- help ----------------------------------------------------------------------------------------------------------

    def _is_ahead(self, state: _Key | None, ts: int, now: float, wall: int | None) -> bool:
        ahead = self._bounds.ahead or 0
        if wall is not None and ts <= wall + ahead:
            return False
        if state is not None and state.latest != BEFORE_ALL:
            return ts > state.latest + int((now - state.seen) * 1e9) + ahead
        return wall is not None

    def _new_key(self, key: Any) -> _Key:
        while self.keys >= self._bounds.keys:
            self.counts["evicted"] += 1
            if self._resting:
                self._resting.popitem(last=False)
                continue
            _, state = self._active.popitem(last=False)
            self._close(sorted(state.opened.values(), key=lambda window: window.end))
        state = self._resting[key] = _Key()
        return state

    def _note_seen(self, key: Any, state: _Key, now: float) -> None:
        state.seen = now
        if key in self._active:
            self._active.move_to_end(key)
        else:
            self._resting.pop(key, None)
            self._active[key] = state

    def _raise_floor(self, key: Any, state: _Key, floor: int) -> None:
        """Nothing of this key that ends before `floor` stays open."""
        if floor <= state.floor:
            return
        state.floor = floor
        self._close_due(key, state)

    def _close_due(self, key: Any, state: _Key) -> None:
        floor = state.floor
        due = [window for window in state.opened.values() if window.end <= floor]
        if not due:
            return
        for window in due:
            del state.opened[window.start]
        if not state.opened:
            self._rest(key, state)
        self._close(sorted(due, key=lambda window: window.end))

    def _rest(self, key: Any, state: _Key) -> None:
        del self._active[key]
        self._resting[key] = state

    def _close(self, windows: list[Window]) -> None:
        self._windows -= len(windows)
        self._elements -= sum(window.n for window in windows)
        self.closed += windows

    def _keep_bounds(self) -> None:
        most = self._bounds.elements
        while self._windows > self._bounds.windows or (most is not None and self._elements > most):
            key, state = next(iter(self._active.items()))
            before = self._windows
            self._raise_floor(key, state, min(window.end for window in state.opened.values()))
            self.counts["closed_early"] += before - self._windows

"""What an instrument said and nobody has asked for yet: bounded; what does not fit is dropped, and the loss is in its place."""

from __future__ import annotations

from collections import deque
from typing import Literal

import msgspec

Overflow = Literal["drop_oldest", "drop_newest"]
RING_BYTES = 1_000_000
"""Bytes of the frames that wait, at most, each counted with 64 more."""
_EACH = 64


class Heard(msgspec.Struct, frozen=True):
    """A frame and when it was complete (wall ns)."""

    wall: int
    payload: bytes


class Lost(msgspec.Struct):
    """A stretch of time of which nothing is there."""

    reason: str
    start: int
    end: int


class Ring:
    """Frames in the order in which they came, with losses between them.

    Args:
        most: frames it may hold.
        overflow: which frame goes when there is no room.
    """

    def __init__(self, most: int, overflow: Overflow) -> None:
        self._most = most
        self._newest = overflow == "drop_newest"
        self._entries: deque[Heard | Lost] = deque(maxlen=2 * most + 2)  # a loss stands beside a frame, never beside a loss
        self._frames = 0
        self._bytes = 0
        self.dropped = 0

    def __len__(self) -> int:
        """Frames that wait."""
        return self._frames

    def add(self, heard: Heard) -> None:
        """Take a frame in, or drop one (counted in `dropped`)."""
        size = len(heard.payload) + _EACH
        if self._newest and self._frames and not self._fits(size):
            self.dropped += 1
            self.lose("overflow", heard.wall, heard.wall)
            return
        while self._frames and not self._fits(size):
            self._drop_oldest()
        self._entries.append(heard)
        self._frames += 1
        self._bytes += size

    def _fits(self, size: int) -> bool:
        return self._frames < self._most and self._bytes + size <= RING_BYTES

    def _drop_oldest(self) -> None:
        """The first frame goes; the loss in front of it grows."""
        before = self._entries.popleft() if isinstance(self._entries[0], Lost) else None
        gone = self._entries.popleft()
        assert isinstance(gone, Heard)
        self._forget(gone)
        self.dropped += 1
        after = self._entries.popleft() if self._entries and isinstance(self._entries[0], Lost) else None
        losses = [lost for lost in (before, Lost("overflow", gone.wall, gone.wall), after) if isinstance(lost, Lost)]
        self._entries.appendleft(Lost(losses[0].reason, losses[0].start, losses[-1].end))

    def lose(self, reason: str, start: int, end: int) -> None:
        """From `start` to `end` nothing was heard, behind what is here."""
        last = self._entries[-1] if self._entries else None
        if isinstance(last, Lost):
            last.end = max(last.end, end)
        else:
            self._entries.append(Lost(reason, start, end))

    def take(self) -> Heard | Lost | None:
        """The first of what waits."""
        if not self._entries:
            return None
        entry = self._entries.popleft()
        if isinstance(entry, Heard):
            self._forget(entry)
        return entry

    def _forget(self, heard: Heard) -> None:
        self._frames -= 1
        self._bytes -= len(heard.payload) + _EACH

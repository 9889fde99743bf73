"""Framer: what all framers share: the buffer, where in the stream it begins, and what was left out."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple


class Frame(NamedTuple):
    """A frame and where it was in the stream.

    Attributes:
        payload: what it carries.
        start: of its first byte, bytes since the beginning of the stream.
        end: behind its last byte.
    """

    payload: bytes
    start: int
    end: int


class Framer:
    """Cuts a stream of bytes into frames; subclasses say where a frame ends (`find`).

    Args:
        max_length: bytes of a frame as it is in the stream, at most.

    Attributes:
        counts: `garbage_bytes` left out, `oversize` frames longer than allowed, `bad_frames` whose inside is wrong.
    """

    def __init__(self, max_length: int) -> None:
        self.max_length = max_length
        self.counts: Counter[str] = Counter()
        self.buffer = bytearray()
        self._base = 0

    @property
    def kept_from(self) -> int:
        """Bytes of the stream before this one are no longer needed."""
        return self._base

    def feed(self, data: bytes) -> list[Frame]:
        """Take what arrived; returns the frames that are complete, in order."""
        self.buffer += data
        frames: list[Frame] = []
        while True:
            frame = self.find()
            if frame is None:
                return frames
            frames.append(frame)

    def find(self) -> Frame | None:
        """The next frame, taken from the buffer; None if it is not complete. Leaves out what is none."""
        raise NotImplementedError

    def reset(self) -> int:
        """Forget what is there of a frame: bytes are missing behind it, or the stream ends. Returns how many bytes it was."""
        n = len(self.buffer)
        if n:
            self.leave_out(n)
        return n

    # -- for subclasses ------------------------------------------------------------------------------------------------

    def take(self, n: int) -> bytes:
        """Take `n` bytes from the buffer."""
        data = bytes(self.buffer[:n])
        del self.buffer[:n]
        self._base += n
        return data

    def leave_out(self, n: int) -> None:
        """Leave out `n` bytes of the buffer, counted."""
        del self.buffer[:n]
        self._base += n
        self.counts["garbage_bytes"] += n

"""Frames that end with a delimiter: lines, records, ASCII protocols of instruments."""

from __future__ import annotations

from rt_edge.data.errors import ConfigError
from rt_edge.streams.framing.framer import Frame, Framer


class DelimiterFramer(Framer):
    """Frames that end with `delimiter`, which is not part of the payload. Empty frames are left out.

    A frame that is longer than allowed is left out up to its delimiter (`oversize`).

    Args:
        delimiter: at least one byte.
        max_length: bytes of a payload, at most.
    """

    def __init__(self, delimiter: bytes, max_length: int) -> None:
        if not delimiter:
            raise ConfigError("the delimiter is empty")
        super().__init__(max_length)
        self._delimiter = delimiter
        self._searched = 0
        self._skipping = False

    def find(self) -> Frame | None:
        """Up to the next delimiter."""
        size = len(self._delimiter)
        while True:
            at = self.buffer.find(self._delimiter, self._searched)
            if at < 0:
                self._note_none(size)
                return None
            self._searched = 0
            if self._skipping or at > self.max_length:
                if not self._skipping:
                    self.counts["oversize"] += 1
                self._skipping = False
                self.leave_out(at + size)
            elif at == 0:
                self.take(size)
            else:
                start = self.kept_from
                payload = self.take(at)
                self.take(size)
                made = self.payload(payload)
                if made is not None:
                    return Frame(made, start, self.kept_from)

    def _note_none(self, size: int) -> None:
        """There is no delimiter: what is too long already is left out."""
        rest = size - 1  # as much of a delimiter may be there
        if self._skipping:
            self.leave_out(max(0, len(self.buffer) - rest))
        elif len(self.buffer) > self.max_length + rest:
            self.counts["oversize"] += 1
            self._skipping = True
            self.leave_out(len(self.buffer) - rest)
        self._searched = max(0, len(self.buffer) - rest)

    def payload(self, data: bytes) -> bytes | None:
        """What the bytes before a delimiter carry; None if they are wrong."""
        return data

    def reset(self) -> int:
        """Forget what is there; the next byte begins a frame."""
        self._searched = 0
        self._skipping = False
        return super().reset()

"""What a line returns of what is sent: two-wire RS-485 without a switched receiver, instruments that echo."""

from __future__ import annotations

from collections.abc import Callable


class Echo:
    """Takes it out of what comes.

    Args:
        there: whether there is one.
        count: called with `bad_echo` when what comes is another (a collision, or there is none).
    """

    def __init__(self, there: bool, count: Callable[[str], None]) -> None:
        self._there = there
        self._count = count
        self._missing = b""

    def expect(self, frame: bytes) -> None:
        """This is about to be sent; what is missing of what was sent before is waited for no longer."""
        self._missing = frame if self._there else b""

    def reset(self) -> None:
        """The line is another one."""
        self._missing = b""

    def without(self, data: bytes) -> bytes:
        """What is not echo."""
        if not self._missing:
            return data
        size = min(len(data), len(self._missing))
        if data[:size] == self._missing[:size]:
            self._missing = self._missing[size:]
            return data[size:]
        self._count("bad_echo")
        self._missing = b""
        return data

"""From when to when a device, or one of its resources, gave nothing: gap records, and one log line each way."""

from __future__ import annotations

from rt_edge.sdk import AdapterContext

GAP_EVERY = 60.0
"""Seconds between gap records of what stays away."""


class Span:
    """The silence of one thing.

    Args:
        source: of the gap records.
        suffix: appended to their reason, where only a part of the source is silent.
        context: for the records.
    """

    __slots__ = ("_context", "_down", "_good", "_said", "_source", "_suffix")

    def __init__(self, source: str, suffix: str, context: AdapterContext) -> None:
        self._source = source
        self._suffix = f" {suffix}" if suffix else ""
        self._context = context
        self._good = 0
        self._said = 0.0
        self._down = ""

    @property
    def down(self) -> str:
        """Why it is silent; empty while it is not."""
        return self._down

    def wanted(self, wall: int) -> None:
        """From `wall` on, silence is a gap: somebody asks for this."""
        if not self._good:
            self._good = wall

    def silent(self, reason: str, now: float, wall: int) -> bool:
        """It gave nothing where it should have; whether that is news."""
        if not self._down:
            self._down, self._said = reason, now
            return True
        if now - self._said >= GAP_EVERY and self._good:
            self._gap(wall)
            self._good, self._said = wall, now
        return False

    def spoke(self, wall: int) -> str:
        """It gave a Reading; why it had been silent, if it was."""
        was, self._down = self._down, self._down
        if was:
            self._gap(wall)
            self._down = ""
        self._good = wall
        return was

    def _gap(self, wall: int) -> None:
        if self._good:  # the wall clock may have been set back
            self._context.gap(self._source, self._down + self._suffix, self._good, max(self._good, wall))

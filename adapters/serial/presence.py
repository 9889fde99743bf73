"""Since when a source that is asked has given nothing, and the gap records that say so."""

from __future__ import annotations

from typing import Literal

from rt_edge.sdk import AdapterContext

GAP_EVERY_S = 60.0
"""Seconds between gap records of a source that stays away."""


class Presence:
    """One source.

    Args:
        context: for gap records.
        source: its name.
    """

    def __init__(self, context: AdapterContext, source: str) -> None:
        self._context = context
        self._source = source
        self._good = 0
        self._down = ""
        self._said = 0.0

    def remember(self, wall: int, now: float) -> None:
        """Its last stored Reading, of a life before this one, was of `wall`."""
        self._good, self._down, self._said = wall, "restart", now

    def wanted(self, wall: int) -> None:
        """From `wall` on, silence is a gap: somebody asks."""
        if not self._good:
            self._good = wall

    def silent(self, reason: Literal["timeout", "unreadable", "disconnected"], now: float, wall: int) -> None:
        """It gave nothing where it should have; a gap record is due when it returns, and once a minute until then."""
        if not self._down:
            self._down, self._said = reason, now
        elif now - self._said >= GAP_EVERY_S and self._good:
            self._gap(self._down, wall)
            self._good, self._said = wall, now

    def spoke(self, wall: int) -> None:
        """It gave a Reading."""
        if self._down:
            self._gap(self._down, wall)
            self._down = ""
        self._good = wall

    def paused(self, wall: int) -> None:
        """Nobody asked until now, long enough to be said."""
        if self._good and not self._down:
            self._gap("no_demand", wall)
            self._good = wall

    def _gap(self, reason: str, wall: int) -> None:
        if self._good:
            self._context.gap(self._source, reason, self._good, max(self._good, wall))  # the wall clock may have been set back

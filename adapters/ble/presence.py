"""Since when a device has given nothing, and why: what becomes a gap record when it gives something again."""

from __future__ import annotations

from typing import Literal

from rt_edge.sdk import AdapterContext

Reason = Literal["restart", "disconnected", "no_demand", "silent", "unreachable"]


class Presence:
    """One source's.

    Args:
        source: its name in the readings.
        context: for gap records.
    """

    __slots__ = ("_context", "epoch", "good", "reason", "source")

    def __init__(self, source: str, context: AdapterContext) -> None:
        self.source = source
        self._context = context
        self.good = 0
        self.reason = ""
        self.epoch = 0  # times it went away: a reading that was received before the last one does not end the gap

    def remember(self, wall: int) -> None:
        """Its last stored reading, of a life before this one, was of `wall`."""
        self.good, self.reason = wall, "restart"

    def expected(self, wall: int) -> None:
        """From `wall` on somebody waits for it: silence from now on is a gap, although it never spoke."""
        if not self.good:
            self.good = wall

    def away(self, reason: Reason) -> None:
        """It gives nothing, from its last reading on; the first reason counts."""
        if not self.reason:
            self.reason = reason
            self.epoch += 1

    def ends(self, epoch: int) -> bool:
        """Whether a reading that was received in `epoch` ends a gap."""
        return bool(self.reason) and epoch == self.epoch

    def spoke(self, wall: int, epoch: int) -> None:
        """It gives a reading of `wall`, received in `epoch`: the gap before it, if there is one, is said first."""
        if self.ends(epoch):
            self._gap(wall)
            self.reason = ""
        self.good = wall

    def still(self, wall: int) -> None:
        """Say the gap so far of a device that stays away although it is asked for."""
        if self.reason and self.reason != "no_demand" and self.good:
            self._gap(wall)
            self.good = wall

    def _gap(self, wall: int) -> None:
        if self.good:
            self._context.gap(self.source, self.reason, self.good, max(self.good, wall))  # the clock may have been set back

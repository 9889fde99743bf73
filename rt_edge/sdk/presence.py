"""Since when a source has given nothing, why, and the gap records that say so: one policy for all adapters.

Under one name a source is either there or silent. What `silent`, `away` and `spoke` return says whether that is news, so that
an adapter writes one log line when it is lost and one when it is back.
"""

from __future__ import annotations

from rt_edge.sdk.adapter import AdapterContext

GAP_EVERY_S = 60.0
"""Seconds between gap records of a source that stays away although it is asked for."""

NO_DEMAND = "no_demand"
"""Reason of a silence that nobody minds: it becomes one gap record at its end, none in between."""


class Presence:
    """One source.

    Args:
        context: for gap records.
        source: its name in the Readings.
        part: appended to each reason, where only a part of the source is silent.
        expected: whether `status` shows it while it is silent; not what may come and go unasked.

    Attributes:
        source: as given.
        good: wall time up to which it is known to have given what it had, ns; 0 before anything was expected of it.
        reason: why it is silent; empty while it is not.
        epoch: times it went away: a Reading that was received before the last one does not end the silence.
    """

    __slots__ = ("_context", "_part", "_said", "_shown", "epoch", "good", "reason", "source")

    def __init__(self, context: AdapterContext, source: str, part: str = "", expected: bool = True) -> None:
        self.source = source
        self.good = 0
        self.reason = ""
        self.epoch = 0
        self._context = context
        self._part = f" {part}" if part else ""
        self._said = 0.0
        self._shown = (f"{source} {part}" if part else source) if expected else ""

    def remember(self, wall: int) -> None:
        """Its last stored Reading, of a life before this one (`rt_edge.sdk.seen`), was of `wall`."""
        self.good, self.reason, self._said = wall, "restart", self._context.clock.monotonic()

    def wanted(self, wall: int) -> None:
        """From `wall` on somebody asks for it: silence is a gap, although it may never have spoken."""
        if not self.good:
            self.good = wall

    def away(self, reason: str) -> bool:
        """It gives nothing from its last Reading on; whether that is news. The first reason counts."""
        if self.reason:
            self._show(self.reason if reason == NO_DEMAND else reason)
            return False
        self._show(reason)
        self.reason, self._said = reason, self._context.clock.monotonic()
        self.epoch += 1
        return True

    def silent(self, reason: str, now: float, wall: int) -> bool:
        """It gave nothing at `now`, where it should have; whether that is news. A gap record is due when it returns, and once a
        minute until then."""
        if self.away(reason):
            return True
        if now - self._said >= GAP_EVERY_S:
            self._said = now
            self.still(wall)
        return False

    def still(self, wall: int) -> None:
        """Say the gap so far, if it stays away although somebody asks for it."""
        if self.reason and self.reason != NO_DEMAND and self.good:
            self._gap(self.reason, wall)
            self.good = wall

    def ends(self, epoch: int) -> bool:
        """Whether a Reading that was received in `epoch` ends its silence."""
        return bool(self.reason) and epoch == self.epoch

    def spoke(self, wall: int, epoch: int | None = None) -> str:
        """It gave a Reading of `wall`; why it had been silent, if it was.

        Args:
            wall: ns since 1970.
            epoch: `epoch` when the Reading was received, where it waited since; default: it comes now.
        """
        was = self.reason if epoch is None or self.ends(epoch) else ""
        if was:
            self._gap(was, wall)
            self.reason = ""
            self._show("")
        self.good = wall
        return was

    def paused(self, wall: int) -> None:
        """Nobody asked until now, long enough to be said."""
        if self.good and not self.reason:
            self._gap(NO_DEMAND, wall)
            self.good = wall

    def _show(self, reason: str) -> None:
        if self._shown:
            self._context.silent(self._shown, "" if reason == NO_DEMAND else reason)

    def _gap(self, reason: str, wall: int) -> None:
        if self.good:  # the wall clock may have been set back
            self._context.gap(self.source, reason + self._part, self.good, max(self.good, wall))

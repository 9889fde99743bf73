"""What is known of one unit while the adapter lives: breaker, counters, and since when it has given nothing."""

from __future__ import annotations

from typing import Literal

from adapters.modbus.blocks import Block
from adapters.modbus.breaker import Breaker
from adapters.modbus.plan import PollPlan, UnitPlan
from rt_edge.sdk import AdapterContext, Value

GAP_EVERY = 60.0
"""Seconds between gap records of a unit that stays away."""


class Unit:
    """One unit on the bus.

    Args:
        plan: what to ask.
        breaker: of this unit.
        context: for gap records and log lines.
    """

    def __init__(self, plan: UnitPlan, breaker: Breaker, context: AdapterContext) -> None:
        self.plan = plan
        self.id = plan.id
        self.timeout = plan.timeout
        self.breaker = breaker
        self.source = f"{context.name}/{plan.name}"
        self.tags = dict(plan.tags)
        self.polls: list[Poll] = []
        self._context = context
        self._good: int = 0
        self._down: str = ""
        self._said = 0.0

    @property
    def places(self) -> list[tuple[int, int, int]]:
        """(function, address, count) of all its blocks."""
        return [block.place for poll in self.polls for block in poll.blocks]

    def remember(self, wall: int, now: float) -> None:
        """Its last stored reading, of a life before this one, was of `wall`."""
        self._good, self._down, self._said = wall, "restart", now

    def wanted(self, wall: int) -> None:
        """From `wall` on, silence is a gap: somebody asks for this unit."""
        if not self._good:
            self._good = wall

    def silent(self, reason: Literal["timeout", "disconnected", "refused"], now: float, wall: int) -> None:
        """It gave nothing where it should have; a gap record is due when it returns, and once a minute until then."""
        if not self._down:
            self._down, self._said = reason, now
        elif now - self._said >= GAP_EVERY and self._good:
            self._gap(self._down, wall)
            self._good, self._said = wall, now

    def spoke(self, wall: int) -> None:
        """It gave a reading."""
        if self._down:
            self._gap(self._down, wall)
            self._down = ""
        self._good = wall

    def paused(self, wall: int) -> None:
        """Nobody asked for it until now, long enough to be said."""
        if self._good and not self._down:
            self._gap("no_demand", wall)
            self._good = wall

    def _gap(self, reason: str, wall: int) -> None:
        if self._good:
            self._context.gap(self.source, reason, self._good, max(self._good, wall))  # the wall clock may have been set back


class Poll:
    """Points of one unit that become one Reading, read at fixed times.

    Args:
        unit: whose.
        plan: period and blocks; the blocks are replaced by smaller ones where the unit refuses them.
    """

    __slots__ = ("at", "blocks", "due", "every", "fields", "missing", "started", "unit")

    def __init__(self, unit: Unit, plan: PollPlan) -> None:
        self.unit = unit
        self.every = plan.every
        self.blocks: list[Block] = list(plan.blocks)
        self.due = 0.0
        self.at = 0
        self.started = False
        self.fields: dict[str, Value] = {}
        self.missing: list[str] = []

    @property
    def deadline(self) -> float:
        """When its next slot begins."""
        return self.due + self.every

    def begin(self, now: float) -> int:
        """Start in the slot that `now` is in; the number of slots that passed unused."""
        missed = max(0, int((now - self.due) / self.every))
        self.due += missed * self.every
        self.at, self.started, self.fields, self.missing = 0, True, {}, []
        return missed

    def end(self) -> None:
        """Wait for the next slot."""
        self.started = False
        self.due += self.every

"""What is known of one unit while the adapter lives: breaker, counters, and since when it has given nothing."""

from __future__ import annotations

from adapters.modbus.blocks import Block
from adapters.modbus.breaker import Breaker
from adapters.modbus.plan import PollPlan, UnitPlan
from rt_edge.sdk import AdapterContext, Value
from rt_edge.sdk.presence import Presence


class Unit:
    """One unit on the bus.

    Args:
        plan: what to ask.
        breaker: of this unit.
        context: for gap records.
    """

    def __init__(self, plan: UnitPlan, breaker: Breaker, context: AdapterContext) -> None:
        self.plan = plan
        self.id = plan.id
        self.timeout = plan.timeout
        self.breaker = breaker
        self.source = f"{context.name}/{plan.name}"
        self.tags = dict(plan.tags)
        self.polls: list[Poll] = []
        self.presence = Presence(context, self.source)

    @property
    def places(self) -> list[tuple[int, int, int]]:
        """(function, address, count) of all its blocks."""
        return [block.place for poll in self.polls for block in poll.blocks]


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

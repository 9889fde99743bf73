"""What is known of one unit while the adapter lives: breaker, what was learned of it, and since when it has given nothing."""

from __future__ import annotations

from adapters.modbus.blocks import Block
from adapters.modbus.breaker import Breaker
from adapters.modbus.learned import Learned
from adapters.modbus.plan import RANKS, PollPlan, UnitPlan
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
        self.learned = Learned(plan.limits, plan.wire if plan.measured else None)
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
        plan: period, lane and points; which requests read them is the unit's to learn.
    """

    __slots__ = ("_stale", "_version", "at", "blocks", "due", "every", "fields", "missing", "points", "rank", "started", "unit")

    def __init__(self, unit: Unit, plan: PollPlan) -> None:
        self.unit = unit
        self.every = plan.every
        self.rank = RANKS[plan.lane]
        self.points = plan.points
        self.blocks: list[Block] = list(plan.blocks)
        self._version = 0
        self._stale = False
        self.due = 0.0
        self.at = 0
        self.started = False
        self.fields: dict[str, Value] = {}
        self.missing: dict[str, str] = {}
        """Points without a value -> what is wrong with what was read; empty where nothing was."""

    @property
    def deadline(self) -> float:
        """When its next slot begins."""
        return self.due + self.every

    def begin(self, now: float) -> int:
        """Start in the slot that `now` is in; the number of slots that passed unused."""
        missed = max(0, int((now - self.due) / self.every))
        self.due += missed * self.every
        self.at, self.started, self.fields, self.missing = 0, True, {}, {}
        self.plan_rest()
        return missed

    def plan_rest(self) -> None:
        """Cut what is still to be asked into requests anew, if something was learned since it was done."""
        learned = self.unit.learned
        if self._version == learned.version and not (self._stale and not self.at):
            return
        rest = [point for block in self.blocks[self.at :] for point in block.points] if self.at else self.points
        self.blocks[self.at :] = learned.blocks(rest)
        self._version = learned.version
        self._stale = self.at > 0  # what was asked before is still cut in the old way

    def miss(self, block: Block) -> None:
        """Its points have no value this time."""
        self.missing.update(dict.fromkeys(block.names, ""))

    def end(self) -> None:
        """Wait for the next slot."""
        self.started = False
        self.due += self.every

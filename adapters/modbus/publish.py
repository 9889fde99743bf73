"""What becomes of polled data: decoded and emitted, after the next request has gone out, so that the wire does not wait for it.

All points read -> a Reading of quality `good`; some -> what was read, `uncertain`, and the tag `missing` with the names of the
others; none -> no Reading, and a gap record when the unit returns. Registers that hold no value of their type (BCD with a digit
above nine) make it `bad`, and the tag `wrong` says which and what stood there.
"""

from __future__ import annotations

from collections.abc import Callable

from adapters.modbus.blocks import Block
from adapters.modbus.unit import Poll, Unit
from rt_edge.sdk import AdapterContext, Reading, Value

SHOWN = 16
"""Names in the tags `missing` and `wrong`; more are counted."""


class Publisher:
    """Makes Readings of replies; holds the newest reply until `settle`.

    Args:
        context: counters and where Readings go.
    """

    __slots__ = ("_context", "_held", "on_learned", "on_reading")

    def __init__(self, context: AdapterContext) -> None:
        self._context = context
        self._held: tuple[Poll, Block, bytes, dict[str, Value], dict[str, str], bool, float, int] | None = None
        self.on_reading: Callable[[str, int], None] | None = None
        """Told source and time of each Reading before it is emitted."""
        self.on_learned: Callable[[], None] | None = None
        """Told when a poll ended in which something was learned that is worth keeping."""

    def hold(self, poll: Poll, block: Block, data: bytes, last: bool, now: float, wall: int) -> None:
        """`data` are the registers or bits of a block of `poll`, read at `now`; `last`: the poll has ended with it."""
        self._held = poll, block, data, poll.fields, poll.missing, last, now, wall
        if last:
            poll.fields, poll.missing = {}, {}

    def settle(self) -> bool:
        """Do what was held back; False if a poll ended without a Reading: the demand for it stays."""
        held = self._held
        if held is None:
            return True
        self._held = None
        poll, block, data, fields, missing, last, now, wall = held
        found, absent = block.decode(data)
        if fields:
            fields.update(found)
        elif last:
            fields = found
        else:
            poll.fields = found
        if absent:
            missing.update(absent)
        return self.publish(poll.unit, fields, missing, "refused", now, wall) if last else True

    def publish(
        self,
        unit: Unit,
        fields: dict[str, Value],
        missing: dict[str, str],
        reason: str,
        now: float,
        wall: int,
    ) -> bool:
        """Emit what a poll has read; False if that is nothing, for `reason`. `missing`: name -> what is wrong with it, or ""."""
        if self.on_learned is not None and unit.learned.changed:
            self.on_learned()
        if not fields and not any(missing.values()):
            self._context.count("polls_failed")
            unit.presence.silent(reason, now, wall)
            return False
        unit.presence.spoke(wall)
        if self.on_reading is not None:
            self.on_reading(unit.source, wall)
        if not missing:
            self._context.count("polls_ok")
            self._context.emit((Reading(unit.source, wall, fields, "good", unit.tags, wall),))
            return True
        tags = {**unit.tags, "missing": _shown(list(missing), ",")}
        wrong = [f"{name}: {what}" for name, what in missing.items() if what]
        if wrong:
            tags["wrong"] = _shown(wrong, "; ")
            self._context.count("polls_wrong")
        self._context.count("polls_partial")
        self._context.emit((Reading(unit.source, wall, fields, "bad" if wrong else "uncertain", tags, wall),))
        return True


def _shown(names: list[str], between: str) -> str:
    more = f"{between}+{len(names) - SHOWN}" if len(names) > SHOWN else ""
    return between.join(names[:SHOWN]) + more

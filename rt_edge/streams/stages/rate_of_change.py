"""rate_of_change: how fast fields change."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.data.reading import Reading
from rt_edge.data.units import Duration
from rt_edge.streams.expression.functions import is_number
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._keys import Keyed, KeyTable
from rt_edge.streams.stages._made import AddingLogic


class RateOfChange(Keyed, frozen=True, kw_only=True):
    """Adds to each reading how fast fields have changed since the reading before, of the same source: `<field>_rate`.

    Computed from the readings' own times. The first reading of a source has no rate, nor one whose time is not later than that of
    the one before (counter `not_later`; it is not remembered), nor a value that is no number (counter `not_a_number`). All
    readings pass. One that its origin emits again has the rate that it had.

    Emits when: a reading arrives.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.
    On restart: forgets the readings before.

    Attributes:
        fields: one field, or several.
        unit: change per this time.
        suffix: appended to the name of a field, for its rate.
    """

    kind: ClassVar[str] = "rate_of_change"
    shorthand: ClassVar[str] = "fields"

    fields: str | list[str]
    unit: Duration | float = 1.0
    suffix: str = "_rate"

    def __post_init__(self) -> None:
        """Refuse no time, and a rate in the place of its field."""
        super().__post_init__()
        at_least(1e-6, unit=self.unit)
        at_least(1, suffix=len(self.suffix), fields=len(self.fields))

    def create_logic(self) -> StageLogic:
        """A logic that remembers values by key and field."""
        return _Logic(self)


class _Logic(AddingLogic):
    def __init__(self, stage: RateOfChange) -> None:
        super().__init__(stage)
        self._names = [stage.fields] if isinstance(stage.fields, str) else list(stage.fields)
        self._unit_ns = float(stage.unit) * 1e9
        self._suffix = stage.suffix
        self._last: KeyTable[dict[str, tuple[int, float]]] = KeyTable(stage.max_keys, self.note_evicted)

    def forget(self) -> None:
        super().forget()
        self._last.clear()

    def added(self, reading: Reading, key: Any) -> dict[str, Any]:
        rates: dict[str, Any] = {}
        last = self._last.get(key)
        if last is None:
            last = {}
            self._last.put(key, last)
        for name in self._names:
            value = reading.fields.get(name)
            if value is None:
                self.ctx.count("missing_field")
            elif not is_number(value):
                self.ctx.count("not_a_number")
            else:
                self._add_rate(name, float(value), reading.ts, last, rates)
        return rates

    def _add_rate(self, name: str, value: float, ts: int, last: dict[str, tuple[int, float]], rates: dict[str, Any]) -> None:
        before = last.get(name)
        if before is not None:
            if ts <= before[0]:
                self.ctx.count("not_later")
                return
            rates[name + self._suffix] = (value - before[1]) * self._unit_ns / (ts - before[0])
        last[name] = (ts, value)

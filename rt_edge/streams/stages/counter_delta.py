"""counter_delta: how much counters have counted."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading
from rt_edge.streams.expression.functions import is_number
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._keys import Keyed, KeyTable
from rt_edge.streams.stages._made import AddingLogic


class CounterDelta(Keyed, frozen=True, kw_only=True):
    """Adds to each reading how much counters have counted since the reading before, of the same source: `<field>_delta`.

    A counter that goes down has wrapped, if the way over its `modulus` is at most `max_step`; else the device has begun anew
    (counter `reset`), and what it shows is what it has counted since. The first reading of a source has no delta, nor has a
    value that is no number (counter `not_a_number`). Readings are taken in the order of arrival, and all pass. One
    that its origin emits again has the delta that it had.

    Emits when: a reading arrives.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.
    On restart: forgets the readings before.

    Attributes:
        fields: one field, or several.
        bits: the counter wraps at 2**bits; 0: it never wraps.
        modulus: the counter wraps at this number, in the place of `bits`; 0: see `bits`.
        max_step: the most that it counts between two readings; 0: half the modulus.
        suffix: appended to the name of a field, for its delta.
    """

    kind: ClassVar[str] = "counter_delta"
    shorthand: ClassVar[str] = "fields"

    fields: str | list[str]
    bits: int = 32
    modulus: int = 0
    max_step: float = 0.0
    suffix: str = "_delta"

    def __post_init__(self) -> None:
        """Refuse a counter that cannot be."""
        super().__post_init__()
        at_least(1, suffix=len(self.suffix), fields=len(self.fields))
        at_least(0, bits=self.bits, modulus=self.modulus, max_step=self.max_step)
        if self.bits > 64:
            raise ConfigError(f"bits is {self.bits}, a counter has at most 64")

    @property
    def wraps_at(self) -> int:
        """The number at which it begins again; 0: never."""
        return self.modulus or (1 << self.bits if self.bits else 0)

    def create_logic(self) -> StageLogic:
        """A logic that remembers values by key and field."""
        return _Logic(self)


class _Logic(AddingLogic):
    def __init__(self, stage: CounterDelta) -> None:
        super().__init__(stage)
        self._names = [stage.fields] if isinstance(stage.fields, str) else list(stage.fields)
        self._modulus = stage.wraps_at
        self._most = stage.max_step or self._modulus / 2
        self._suffix = stage.suffix
        self._last: KeyTable[dict[str, Any]] = KeyTable(stage.max_keys, self.note_evicted)

    def forget(self) -> None:
        super().forget()
        self._last.clear()

    def added(self, reading: Reading, key: Any) -> dict[str, Any]:
        deltas: dict[str, Any] = {}
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
                if name in last:
                    deltas[name + self._suffix] = self._delta(last[name], value)
                last[name] = value
        return deltas

    def _delta(self, before: Any, now: Any) -> Any:
        if now >= before:
            return now - before
        round_trip = now - before + self._modulus
        if 0 <= round_trip <= self._most:
            self.ctx.count("wrapped")
            return round_trip
        self.ctx.count("reset")
        return now

"""change_of_value: readings that say something new."""

from __future__ import annotations

from itertools import repeat
from typing import Any, ClassVar, NamedTuple

from rt_edge.data.chunk import Chunk
from rt_edge.data.reading import Reading, Value, is_gap
from rt_edge.data.units import Duration
from rt_edge.data.weave import emitted_again
from rt_edge.streams.expression.functions import is_nan, is_number
from rt_edge.streams.stage import StageLogic
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._keys import Keyed, KeyedPassLogic, KeyTable

UNCHANGED = "unchanged"
"""The reason of what says nothing new."""


class ChangeOfValue(Keyed, frozen=True, kw_only=True):
    """Lets pass a reading whose fields differ from those of the last one that passed, of the same source.

    Only values count, and the quality: not the time. 1 and 1.0 are the same, 1 and true are not, NaN is the same as NaN. The
    first reading of a source passes, one in which a field comes or goes, one that has none of the `fields` (counted,
    `missing_field`), and gap records. The others are settled as dropped, `unchanged`. What its source emits again because it
    could not be stored passes, and the next reading of its key after it; when a source goes back in time or begins a new life,
    all begins anew.

    Emits when: a reading arrives that differs, or `max_silence` has passed since the last one of its source that passed.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.
    On restart: forgets what passed, so that the next reading of each source passes.

    Attributes:
        fields: the fields to look at, one or several; none: all that a reading has.
        max_silence: the next reading passes after so long without one that did; 0: no limit.
    """

    kind: ClassVar[str] = "change_of_value"
    shorthand: ClassVar[str] = "fields"

    fields: str | list[str] = ""
    max_silence: Duration | float = 0.0

    def __post_init__(self) -> None:
        """Refuse no room and a key that is none."""
        super().__post_init__()
        at_least(0, max_silence=self.max_silence)

    @property
    def names(self) -> tuple[str, ...]:
        """The fields to look at; empty for all."""
        if isinstance(self.fields, str):
            return (self.fields,) if self.fields else ()
        return tuple(self.fields)

    def create_logic(self) -> StageLogic:
        """A logic that remembers what passed."""
        return _Logic(self)


class _Passed(NamedTuple):
    values: dict[str, Value]
    quality: str
    at: float


class _Logic(KeyedPassLogic):
    def __init__(self, stage: ChangeOfValue) -> None:
        super().__init__(stage, lives=True)
        self._names = stage.names
        self._silence = float(stage.max_silence)
        self._passed: KeyTable[_Passed] = KeyTable(stage.max_keys, self.note_evicted)
        self.forget = self._passed.clear  # type: ignore[method-assign]  # that is all of it

    def handle(self, chunk: Chunk, keys: list[Any]) -> Chunk | None:
        now = self.ctx.clock.monotonic()
        again = emitted_again(chunk) or repeat(False)
        rows = zip(chunk.items, keys, again, strict=False)  # as many as there are elements
        mask = [self._pass_again(key) if a else self._is_new(item, key, now) for item, key, a in rows]
        dropped = mask.count(False)
        if dropped:
            self.ctx.count(f"dropped_{UNCHANGED}", dropped)
        return chunk.select(mask, UNCHANGED)

    def _pass_again(self, key: Any) -> bool:
        """It is out of its turn: the next reading of its key passes, too."""
        self._passed.forget(key)
        return True

    def _is_new(self, reading: Any, key: Any, now: float) -> bool:
        if not isinstance(reading, Reading) or is_gap(reading):
            return True
        values = reading.fields
        if self._names:
            values = {name: values[name] for name in self._names if name in values}
            if not values:
                self.ctx.count("missing_field")
                return True
        last = self._passed.get(key)
        is_silent = last is not None and self._silence and now - last.at >= self._silence
        if last is not None and not is_silent and last.quality == reading.quality and have_same_values(last.values, values):
            return False
        self._passed.put(key, _Passed(values, reading.quality, now))
        return True


def have_same_values(old: dict[str, Value], new: dict[str, Value]) -> bool:
    """Whether both have the same fields with the same values."""
    return old.keys() == new.keys() and all(is_same(value, new[name]) for name, value in old.items())


def is_same(a: Any, b: Any) -> bool:
    """Whether two values say the same: 1 and 1.0 do, 1 and true do not, NaN and NaN do."""
    if a.__class__ is b.__class__:
        return bool(a == b) or (is_nan(a) and is_nan(b))
    return is_number(a) and is_number(b) and bool(a == b)

"""What windows make of their elements: aggregates by name of the fields of readings, or a fold."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Quality, Reading
from rt_edge.streams.expression.functions import is_number
from rt_edge.streams.model import nearest_hint

AGGREGATES: Final = ("count", "sum", "mean", "min", "max", "first", "last", "stddev")
"""Names of aggregates. `count`, `first` and `last` are of all values, the others of those that are numbers (NaN is none);
`first` and `last` go by the times of the readings; `stddev` is that of a sample (n - 1), and there is none of one value."""

MAX_FIELDS: Final = 256
"""Fields of which one window keeps aggregates, where they are not named."""

_WORST: Final[dict[str, int]] = {"good": 0, "uncertain": 1, "stale": 2, "bad": 3}
_MIN_INT, _MAX_INT = -(2**63), 2**64


def read_aggregates(written: str | Sequence[str] | Mapping[str, str | Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Field -> names of aggregates; the field `""` stands for all fields.

    Raises:
        ConfigError: an aggregate that does not exist, or none.
    """
    if not isinstance(written, Mapping):
        written = {"": written}
    found = {}
    for field, given in written.items():
        names = (given,) if isinstance(given, str) else tuple(given)
        for name in names:
            if name not in AGGREGATES:
                raise ConfigError(f"there is no aggregate {name!r}", nearest_hint(name, AGGREGATES))
        if not names:
            raise ConfigError(f"no aggregate of {field or 'the fields'} is given", "like: mean, or [min, max]")
        found[field] = names
    if not found:
        raise ConfigError("no aggregate is given", "like: {temperature: mean}")
    return found


class Column:
    """The values of one field in one window."""

    __slots__ = ("count", "first", "first_ts", "high", "last", "last_ts", "low", "m2", "mean", "n", "total")

    def __init__(self) -> None:
        self.count = 0
        self.n = 0
        self.total: Any = 0
        self.low: Any = math.inf
        self.high: Any = -math.inf
        self.mean = 0.0
        self.m2 = 0.0  # sum of the squares of what differs from the mean
        self.first: Any = None
        self.last: Any = None
        self.first_ts = self.last_ts = 0

    def add(self, values: Sequence[Any], times: Sequence[int]) -> int:
        """Take values with their times; returns how many of them are no numbers."""
        new = Column()
        new.count = len(values)
        order = range(len(values))
        begin = min(order, key=times.__getitem__)
        end = max(order, key=lambda place: (times[place], place))
        new.first, new.first_ts, new.last, new.last_ts = values[begin], times[begin], values[end], times[end]
        numbers = [value for value in values if is_number(value)]
        if numbers:
            new.n = len(numbers)
            new.total = sum(numbers)
            new.low, new.high = min(numbers), max(numbers)
            new.mean = new.total / new.n
            new.m2 = sum((value - new.mean) ** 2 for value in numbers)
        self.merge(new)
        return len(values) - len(numbers)

    def merge(self, other: Column) -> None:
        """Take over what another column of the same field has, which came later (Chan's formula for the squares)."""
        if not other.count:
            return
        if not self.count or other.first_ts < self.first_ts:
            self.first, self.first_ts = other.first, other.first_ts
        if not self.count or other.last_ts >= self.last_ts:
            self.last, self.last_ts = other.last, other.last_ts
        self.count += other.count
        if not other.n:
            return
        n = self.n + other.n
        delta = other.mean - self.mean
        self.m2 += other.m2 + delta * delta * self.n * other.n / n
        self.mean += delta * other.n / n
        self.n = n
        self.total += other.total
        self.low = min(self.low, other.low)
        self.high = max(self.high, other.high)

    def result(self, name: str) -> Any:
        """The aggregate of this name; None if there is none."""
        if name in ("count", "first", "last"):
            return getattr(self, name)
        if not self.n or (name == "stddev" and self.n < 2):
            return None
        if name == "sum":
            return self.total if _MIN_INT <= self.total < _MAX_INT or self.total.__class__ is float else float(self.total)
        if name == "stddev":
            return math.sqrt(max(0.0, self.m2) / (self.n - 1)) if self.m2 == self.m2 else math.nan
        return {"mean": self.total / self.n, "min": self.low, "max": self.high}[name]


class ReadingAggregate:
    """Aggregates of the fields of readings, and what all these readings have in common.

    Args:
        wanted: as of `read_aggregates`.

    Attributes:
        not_numbers: values that were left out, as they are no numbers.
        left_out: values of fields beyond `MAX_FIELDS`.
    """

    __slots__ = ("_columns", "_quality", "_received", "_tags", "_wanted", "left_out", "not_numbers")

    def __init__(self, wanted: Mapping[str, tuple[str, ...]]) -> None:
        self._wanted = wanted
        self._columns: dict[str, Column] = {}
        self._quality: Quality = "good"
        self._tags: dict[str, str] | None = None
        self._received = 0
        self.not_numbers = 0
        self.left_out = 0

    def add(self, readings: Sequence[Reading]) -> None:
        """Take readings."""
        if "" in self._wanted:
            names = list(dict.fromkeys(name for reading in readings for name in reading.fields))
        else:
            names = list(self._wanted)
        for name in names:
            rows = [(reading.fields[name], reading.ts) for reading in readings if name in reading.fields]
            if not rows:
                continue
            column = self._columns.get(name)
            if column is None:
                if len(self._columns) >= MAX_FIELDS and name not in self._wanted:
                    self.left_out += len(rows)
                    continue
                column = self._columns[name] = Column()
            values, times = zip(*rows, strict=True)
            not_numbers = column.add(values, times)
            if not_numbers and set(self._names(name)) - {"count", "first", "last"}:
                self.not_numbers += not_numbers
        for reading in readings:
            self._note(reading.quality, reading.tags, reading.received)

    def _names(self, field: str) -> tuple[str, ...]:
        return self._wanted[field] if field in self._wanted else self._wanted[""]

    def _note(self, quality: Quality, tags: dict[str, str] | None, received: int) -> None:
        if _WORST[quality] > _WORST[self._quality]:
            self._quality = quality
        if self._tags is None:
            self._tags = tags
        elif tags is not None and tags != self._tags:
            self._tags = {name: text for name, text in self._tags.items() if tags.get(name) == text}
        self._received = max(self._received, received)

    def merge(self, other: ReadingAggregate) -> None:
        """Take over what another window has."""
        for name, column in other._columns.items():
            self._columns.setdefault(name, Column()).merge(column)
        self._note(other._quality, other._tags, other._received)
        self.not_numbers += other.not_numbers
        self.left_out += other.left_out

    def reading(self, source: str, ts: int, tags: dict[str, str]) -> Reading | None:
        """The aggregates as fields, `<field>_<aggregate>`, with the worst quality and the tags in which all agree; None if no
        field has any."""
        fields = {}
        for field, column in self._columns.items():
            for name in self._names(field):
                result = column.result(name)
                if result is not None:
                    fields[f"{field}_{name}"] = result
        if not fields:
            return None
        return Reading(source, ts, fields, self._quality, {**(self._tags or {}), **tags}, self._received)


class Folded:
    """The result of folding the elements of a window.

    Args:
        zero: the first state; must not be changed by `function`, as all windows share it.
        function: (state, element) -> state.
        combine: (state, state) -> state, where two sessions become one.
    """

    __slots__ = ("_combine", "_function", "value")

    def __init__(self, zero: Any, function: Callable[[Any, Any], Any], combine: Callable[[Any, Any], Any] | None) -> None:
        self.value = zero
        self._function = function
        self._combine = combine

    def add(self, element: Any) -> None:
        """Fold one element in; raises what the function raises."""
        self.value = self._function(self.value, element)

    def merge(self, other: Folded) -> None:
        """Combine the states of two windows."""
        if self._combine is not None:
            self.value = self._combine(self.value, other.value)

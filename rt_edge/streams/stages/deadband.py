"""deadband: readings whose fields have moved."""

from __future__ import annotations

import math
from typing import Any, ClassVar, NamedTuple

import msgspec

from rt_edge.data.chunk import Chunk
from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading, is_gap
from rt_edge.data.units import Duration
from rt_edge.streams.expression.functions import is_nan, is_number
from rt_edge.streams.stage import IN, OUT, Inlet, Stage, StageLogic
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._keys import Laps
from rt_edge.streams.stages._outbox import OutboxLogic

STILL = "deadband"
"""The reason of what is not passed on because it has not moved."""


class Deadband(Stage, frozen=True, kw_only=True):
    """Lets pass a reading if a field has moved out of its band since the last reading that passed, of the same source.

    A reading also passes when it is the first of its source, when a field appears, or changes its type or (where it is no
    number) its value, when its quality changes, when it has none of the fields, and when it is a gap record. The others are
    settled as dropped, `deadband`. After `max_silence` without an emission of a source of which readings do come, the next one
    passes, or, if none comes in time, the last one that passed is sent again: with `held` set and its own time.
    A source that has fallen silent itself is not kept alive. When a source emits again what could not be stored, all begins anew.

    Emits when: a reading arrives and has moved, or `max_silence` has passed.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        field: the fields to look at.
        absolute: a number moves when it differs by more than this ...
        percent: ... or by more than so many percent of the value that passed last.
        max_silence: longest time without an emission of a source that sends; 0: no limit.
        max_sources: sources remembered; the one that has not emitted for longest is forgotten (counter `evicted`).
    """

    kind: ClassVar[str] = "deadband"

    field: str | list[str]
    absolute: float | None = None
    percent: float | None = None
    max_silence: Duration | float = 0.0
    max_sources: int = 10_000

    def __post_init__(self) -> None:
        """Refuse a band that is none."""
        if self.absolute is None and self.percent is None:
            raise ConfigError("neither absolute nor percent is given", "absolute: 0.05 lets pass what moved by more than 0.05")
        if not self.field:
            raise ConfigError("field names no field")
        at_least(0, absolute=self.absolute or 0.0, percent=self.percent or 0.0, max_silence=self.max_silence)
        at_least(1, max_sources=self.max_sources)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields to look at."""
        return (self.field,) if isinstance(self.field, str) else tuple(self.field)

    def create_logic(self) -> StageLogic:
        """A logic that remembers what passed."""
        return _Logic(self)


class _Passed(NamedTuple):
    """What passed last of a source, when, and whether readings came since."""

    reading: Reading
    at: float
    alive: bool


class _Logic(OutboxLogic):
    def __init__(self, stage: Deadband) -> None:
        self._fields = stage.fields
        self._names = frozenset(stage.fields)
        self._absolute = math.inf if stage.absolute is None else stage.absolute
        self._share = math.inf if stage.percent is None else stage.percent / 100
        self._silence = float(stage.max_silence)
        self._max_sources = stage.max_sources
        self._passed: dict[str, _Passed] = {}  # in the order of emission, so the first has been silent for longest
        self._watched: dict[str, None] = {}  # sources whose `max_silence` runs, in the same order
        self._timed = False
        self._laps = Laps()

    def ask(self) -> None:
        missing = self.demand(OUT) - self.out.elements - self.requested(IN)
        if missing > 0:
            self.request(IN, missing)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        now = self.ctx.clock.monotonic()
        if self._laps.have_turned(chunk):
            self.ctx.count("replayed")
            self._passed.clear()
            self._watched.clear()
        kept = chunk.select([self._passes(reading, now) for reading in chunk.items], STILL)
        dropped = len(chunk) - (len(kept) if kept is not None else 0)
        if kept is not None:
            self.out.put(kept)
        if dropped:
            self.ctx.count(f"dropped_{STILL}", dropped)
            self.proceed()
        self._set_timer(now)

    def _passes(self, reading: Any, now: float) -> bool:
        if not isinstance(reading, Reading) or is_gap(reading):
            return True
        fields = reading.fields
        if self._names.isdisjoint(fields):
            self.ctx.count("missing_field")
            return True
        last = self._passed.get(reading.source)
        is_silent = last is not None and self._silence > 0 and now - last.at >= self._silence
        if last is None or is_silent or self._has_moved(last.reading, reading):
            self._remember(reading, now)
            return True
        if not last.alive:
            self._passed[reading.source] = last._replace(alive=True)
        return False

    def _remember(self, reading: Reading, now: float) -> None:
        source, passed = reading.source, self._passed
        if passed.pop(source, None) is None and len(passed) >= self._max_sources:
            oldest = next(iter(passed))
            del passed[oldest]
            self._watched.pop(oldest, None)
            self.ctx.count("evicted")
        passed[source] = _Passed(reading, now, alive=False)
        if self._silence:
            self._watched.pop(source, None)
            self._watched[source] = None

    def _has_moved(self, last: Reading, reading: Reading) -> bool:
        if last.quality != reading.quality:
            return True
        for name in self._fields:
            old, new = last.fields.get(name), reading.fields.get(name)
            if not (is_number(old) and is_number(new)):
                if type(old) is not type(new) or (old != new and not (is_nan(old) and is_nan(new))):
                    return True
                continue
            change = abs(new - old)  # type: ignore[operator]  # numbers, both
            if change > self._absolute or change > abs(old) * self._share:  # type: ignore[arg-type]
                return True
        return False

    # -- max_silence -----------------------------------------------------------------------------------------------------

    def _set_timer(self, now: float) -> None:
        if self._watched and not self._timed:
            self._timed = True
            oldest = self._passed[next(iter(self._watched))]
            self.ctx.after(max(0.001, oldest.at + self._silence - now), "silence")

    def on_timer(self, key: object) -> None:
        self._timed = False
        now = self.ctx.clock.monotonic()
        due = []
        for source in list(self._watched):
            last = self._passed[source]
            if now - last.at < self._silence - 1e-9:
                break
            del self._watched[source]  # a source that fell silent is watched again when it speaks
            if last.alive:
                self._remember(last.reading, now)
                due.append(msgspec.structs.replace(last.reading, held=True))
        if due and not self.out and self.is_free(OUT) and self.demand(OUT) >= len(due):
            self.ctx.count("held", len(due))
            self.out.put(Chunk(due))
        elif due:
            self.ctx.count("held_unwanted", len(due))  # nobody asks: downstream is slow, not uninformed
        self._set_timer(now)

"""The logic of `deadband`: what passed last of each source, and for how long it may be silent."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from rt_edge.data.chunk import Chunk
from rt_edge.data.reading import Reading, is_gap
from rt_edge.data.weave import emitted_again
from rt_edge.streams.expression.functions import is_nan, is_number
from rt_edge.streams.stage import IN, OUT, Inlet
from rt_edge.streams.stages._keys import Laps
from rt_edge.streams.stages._outbox import OutboxLogic

if TYPE_CHECKING:
    from rt_edge.streams.stages.deadband import Deadband

STILL = "deadband"
"""The reason of what is not passed on because it has not moved."""


class _Passed(NamedTuple):
    """What passed last of a source, when, and whether readings came since."""

    reading: Reading
    at: float
    alive: bool


class DeadbandLogic(OutboxLogic):
    """Remembers what passed last of each source."""

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
        self._laps = Laps(lives=True)

    def ask(self) -> None:
        """As much as is wanted."""
        missing = self.demand(OUT) - self.out.elements - self.requested(IN)
        if missing > 0:
            self.request(IN, missing)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Judge what came."""
        now = self.ctx.clock.monotonic()
        if self._laps.have_turned(chunk):
            self.ctx.count("replayed")
            self._passed.clear()
            self._watched.clear()
        again = emitted_again(chunk)
        if again is None:
            mask = [self._passes(reading, now) for reading in chunk.items]
        else:
            mask = [self._forget(item) if a else self._passes(item, now) for item, a in zip(chunk.items, again, strict=True)]
        kept = chunk.select(mask, STILL)
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

    def _forget(self, reading: Any) -> bool:
        """What is emitted again passes, out of its turn: it is not what the next reading of its source moves from."""
        if isinstance(reading, Reading):
            self._passed.pop(reading.source, None)
            self._watched.pop(reading.source, None)
        return True

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
        """Send again what passed last of sources that send and do not move."""
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

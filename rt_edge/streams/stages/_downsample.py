"""The logic of `downsample`: the spans that are being filled, and what is left of one."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import msgspec

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk, join
from rt_edge.data.reading import Quality, Reading, is_gap
from rt_edge.data.weave import emitted_again
from rt_edge.streams.downsampling import lttb, min_max
from rt_edge.streams.expression.functions import is_number
from rt_edge.streams.stage import IN, OUT, Inlet, Supervision
from rt_edge.streams.stages._common import bare, discard, settle_rest
from rt_edge.streams.stages._holding import HoldingLogic
from rt_edge.streams.stages._latest import gather

if TYPE_CHECKING:
    from rt_edge.streams.stages.downsample import Downsample

DOWNSAMPLED = "downsampled"
"""The reason of what was left out."""
_WORST: dict[Quality, int] = {"good": 0, "uncertain": 1, "stale": 2, "bad": 3}


class _Span:
    __slots__ = ("number", "pieces", "since")

    def __init__(self, number: int, since: float) -> None:
        self.number = number
        self.since = since
        self.pieces: list[Chunk] = []  # one reading each


class DownsampleLogic(HoldingLogic):
    """Fills a span for each key; emits what is left of it when it is over."""

    def __init__(self, stage: Downsample) -> None:
        super().__init__(stage)
        self.bound = 2 * stage.max_elements + 4 * CHUNK_ELEMENTS  # type: ignore[misc]  # each by itself, at worst
        self._stage = stage
        self._names = [stage.fields] if isinstance(stage.fields, str) else list(stage.fields)
        self._every = round(float(stage.every) * 1e9)
        self._spans: OrderedDict[Any, _Span] = OrderedDict()  # of the source that is silent for longest first
        self._held = 0
        self._timed = False

    def ask(self) -> None:
        """Request as much as there is demand and room for."""
        n = min(CHUNK_ELEMENTS, self._stage.max_elements) - self.requested(IN)
        if self.demand(OUT) > self.out.elements and n > 0:
            self.request(IN, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Put each reading into the span of its key and time."""
        rest, keys, failures = self.keyed(chunk)
        if failures and self._policy is Supervision.RESTART:
            settle_rest(self, self._take_raw(), failures[0][1])
        if rest is not None:
            now = self.ctx.clock.monotonic()
            again = emitted_again(rest) if self._stage.method != "mean" else None  # the others have chosen it, or never saw it
            for place, (item, key) in enumerate(zip(rest.items, keys, strict=True)):
                if again is not None and again[place]:
                    self.out.put(rest.take([place]))
                else:
                    self._take(rest.take([place]), item, key, now)
        if self.stop_after(failures):
            return
        self._set_timer()
        self.proceed()

    def _take(self, piece: Chunk, item: Any, key: Any, now: float) -> None:
        if not isinstance(item, Reading) or is_gap(item):
            self.out.put(piece)
            return
        if self._stage.settle == "early":
            piece.settle()
            piece = Chunk(piece.items)
        number = item.ts // self._every if self._every else 0
        span = self._spans.get(key)
        if span is not None and self._every and number > span.number:
            self._close(key)
            span = None
        if span is None:
            span = self._spans[key] = _Span(number, now)
        self._spans.move_to_end(key)
        span.pieces.append(piece)
        self._held += 1
        if len(span.pieces) == self._stage.count:
            self._close(key)
        while self._held > self._stage.max_elements:
            self.ctx.count("closed_early")
            self._close(next(iter(self._spans)))

    def _close(self, key: Any) -> None:
        span = self._spans.pop(key)
        self._held -= len(span.pieces)
        for chunk in self._reduced(span.pieces):
            self.out.put(chunk)

    def _reduced(self, pieces: list[Chunk]) -> list[Chunk]:
        readings: list[Reading] = [piece.items[0] for piece in pieces]
        if self._stage.method == "mean":
            return [join([self._mean(readings)], [bare(piece) for piece in pieces])]
        kept = self._kept(readings)
        for place, piece in enumerate(pieces):
            if place not in kept:
                discard(self, piece, DOWNSAMPLED)
        return gather([pieces[place] for place in sorted(kept)])

    def _kept(self, readings: list[Reading]) -> set[int]:
        if self._stage.method in ("first", "last"):
            return {0 if self._stage.method == "first" else len(readings) - 1}
        kept: set[int] = set()
        for name in self._names:
            places = [place for place, reading in enumerate(readings) if is_number(reading.fields.get(name))]
            if self._stage.method == "lttb":
                places.sort(key=lambda place: readings[place].ts)
            values: list[Any] = [readings[place].fields[name] for place in places]
            times = [readings[place].ts for place in places]
            chosen = min_max(values) if self._stage.method == "min_max" else lttb(times, values, self._stage.keep)
            kept.update(places[index] for index in chosen)
        return kept or {len(readings) - 1}

    def _mean(self, readings: list[Reading]) -> Reading:
        fields: dict[str, Any] = {}
        for reading in readings:
            fields.update(reading.fields)
        for name in self._names:
            values: list[Any] = [reading.fields[name] for reading in readings if is_number(reading.fields.get(name))]
            if values:
                fields[name] = sum(values) / len(values)
        quality = max((reading.quality for reading in readings), key=_WORST.__getitem__)
        return msgspec.structs.replace(readings[-1], ts=readings[0].ts, fields=fields, quality=quality)

    def _set_timer(self) -> None:
        if self._stage.max_wait and self._spans and not self._timed:
            self._timed = True
            since = min(span.since for span in self._spans.values())
            self.ctx.after(max(0.001, since + float(self._stage.max_wait) - self.ctx.clock.monotonic()), "wait")

    def on_timer(self, key: object) -> None:
        """Close the spans that are over."""
        self._timed = False
        limit = self.ctx.clock.monotonic() - float(self._stage.max_wait) + 0.0005
        for due in [key for key, span in self._spans.items() if span.since <= limit]:
            self._close(due)
        self._set_timer()

    def _close_all(self) -> None:
        for key in list(self._spans):
            self._close(key)

    def _take_raw(self) -> list[Chunk]:
        pieces = [piece for span in self._spans.values() for piece in span.pieces]
        self._spans.clear()
        self._held = 0
        return pieces

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Close all spans; complete when they have gone out."""
        self._close_all()
        super().on_upstream_finish(inlet)

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what is held."""
        super().on_stop(error)
        settle_rest(self, self._take_raw(), error)

    def residue(self) -> list[Chunk]:
        """What is ready, then what the open spans become."""
        ready = super().residue()
        made = [chunk for span in self._spans.values() for chunk in self._reduced(span.pieces)]
        self._spans.clear()
        self._held = 0
        return ready + made

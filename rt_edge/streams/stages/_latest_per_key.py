"""The logic of `latest_per_key`: the table of what is newest, and when it goes out."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import msgspec

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk, join
from rt_edge.data.reading import Reading, is_gap
from rt_edge.data.weave import emitted_again
from rt_edge.streams.stage import IN, OUT, Inlet, Outlet, Supervision
from rt_edge.streams.stages._common import discard, settle_rest
from rt_edge.streams.stages._holding import HoldingLogic
from rt_edge.streams.stages._latest import EVICTED, gather
from rt_edge.streams.stages.conflate import is_older

if TYPE_CHECKING:
    from rt_edge.streams.stages.latest_per_key import LatestPerKey

REPLACED = "replaced"
"""The reason of what was followed by another before the table was emitted."""
TRIGGER = Inlet("trigger", 1)


class LatestPerKeyLogic(HoldingLogic):
    """Keeps the newest of each key; emits the table."""

    def __init__(self, stage: LatestPerKey) -> None:
        super().__init__(stage)
        self._stage = stage
        self.bound = stage.max_keys + CHUNK_ELEMENTS  # type: ignore[misc]  # a table with a receipt for each row
        self._rows: OrderedDict[Any, Any] = OrderedDict()
        self._fresh: dict[Any, Chunk] = {}  # what was not emitted so far
        self._asked = False

    def on_start(self) -> None:
        """Begin with the time, where the table goes out by time."""
        super().on_start()
        if self._stage.every:
            self.ctx.every(float(self._stage.every), "period")
        if self._stage.trigger:
            self.request(TRIGGER, 1)

    def ask(self) -> None:
        """Request as much as there is demand and room for."""
        n = CHUNK_ELEMENTS - self.requested(IN)
        if self.demand(OUT) > self.out.elements and n > 0 and not self.is_closed(IN):
            self.request(IN, n)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """Emit the table if it was asked for."""
        if not self.finished:
            self.ask()
            self._emit_if_asked()
        super().on_pull(outlet, n)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Keep what is newest, or hear the trigger."""
        if inlet is TRIGGER or inlet.index:
            chunk.settle()
            self.request(TRIGGER, len(chunk))
            self._want()
            return
        rest, keys, failures = self.keyed(chunk)
        if failures and self._policy is Supervision.RESTART:
            settle_rest(self, self._take_fresh(), failures[0][1])
            self._rows.clear()
        if rest is not None:
            self._absorb(rest, keys)
        if self.stop_after(failures):
            return
        if self._rows and not self._stage.every and not self._stage.trigger:
            self._asked = True
            self._emit_if_asked()
        self.proceed()

    def _absorb(self, chunk: Chunk, keys: list[Any]) -> None:
        rows, fresh = self._rows, self._fresh
        again = emitted_again(chunk)
        late: list[Chunk] = []
        for place, (item, key) in enumerate(zip(chunk.items, keys, strict=True)):
            piece = chunk.take([place])
            if isinstance(item, Reading) and is_gap(item):
                discard(self, piece, "gap")
                continue
            if again is not None and again[place] and is_older(item, rows.get(key)):
                if key in fresh or self._stage.emit == "table":
                    discard(self, piece, REPLACED)
                else:
                    late.append(piece)  # what followed it has gone out: it had, too
                continue
            if key in fresh:
                discard(self, fresh.pop(key), REPLACED)
            if key in rows:
                rows.move_to_end(key)
            elif len(rows) >= self._stage.max_keys:
                oldest, _ = rows.popitem(last=False)
                self.ctx.count(EVICTED)
                if oldest in fresh:
                    discard(self, fresh.pop(oldest), EVICTED)
            rows[key] = item
            if self._stage.settle == "early":
                piece.settle()
                piece = Chunk(piece.items)
            fresh[key] = piece
        for out in gather(late):
            self.out.put(out)

    def on_timer(self, key: object) -> None:
        """It is time for the table."""
        self._want()

    def _want(self) -> None:
        if self.out or self._asked:
            self.ctx.count("skipped")
            return
        self._asked = bool(self._rows)
        self._emit_if_asked()

    def _emit_if_asked(self) -> None:
        if not self._asked or self.out:
            return
        if not self.is_free(OUT):
            self.pull_again(OUT)
        elif self.demand(OUT) > 0:
            self._asked = False
            for chunk in self._table():
                self.out.put(chunk)

    def _table(self) -> list[Chunk]:
        if self._stage.emit == "table":
            parts = list(self._fresh.values())
            self._fresh = {}
            return [join([dict(self._rows)], parts)]
        fresh, self._fresh = self._fresh, {}
        pieces = [fresh[key] if key in fresh else self._again(item) for key, item in self._rows.items()]
        return gather(pieces)

    def _again(self, item: Any) -> Chunk:
        self.ctx.count("held")
        return Chunk([msgspec.structs.replace(item, held=True) if isinstance(item, Reading) else item])

    def _take_fresh(self) -> list[Chunk]:
        """What was not emitted so far, as it would be on completion."""
        if not self._fresh:
            return []
        if self._stage.emit == "table":
            return self._table()
        pieces = [self._fresh.pop(key) for key in self._rows if key in self._fresh]
        return gather(pieces)

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """The table goes out once more; then complete."""
        if inlet.index:
            return
        for chunk in self._take_fresh():
            self.out.put(chunk)
        super().on_upstream_finish(inlet)

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what is held."""
        super().on_stop(error)
        settle_rest(self, self._take_fresh(), error)

    def residue(self) -> list[Chunk]:
        """What is newest and has not gone out."""
        return super().residue() + self._take_fresh()

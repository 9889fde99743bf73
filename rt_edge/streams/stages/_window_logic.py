"""What the stages of windows in event time share: the logic around the state machine of `rt_edge.streams.windows`."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.data.reading import Reading, is_gap
from rt_edge.data.weave import emitted_again
from rt_edge.streams.stage import IN, OUT, Inlet, Outlet, Supervision
from rt_edge.streams.stages._common import Failures, bare, discard, named, note_failures, settle_rest
from rt_edge.streams.stages._holding import HoldingLogic
from rt_edge.streams.stages._joining import join_each
from rt_edge.streams.stages._keys import value_runner
from rt_edge.streams.stages._outbox import Outbox
from rt_edge.streams.stages._windowing import LATE_OUT, WINDOW_UNTIL, Windowed, Windowing
from rt_edge.streams.windows import Folded, ReadingAggregate, Window
from rt_edge.streams.windows.machine import Refused

NO_VALUES = "no_values"
"""The reason of what was in a window that had no value for any of its aggregates."""


class WindowLogic(HoldingLogic):
    """Puts elements into windows and emits what becomes of those that close. Gap records pass at once.

    Args:
        stage: what it runs.
    """

    def __init__(self, stage: Windowing) -> None:
        super().__init__(stage)
        self._stage = stage
        self.bound = stage.max_windows + 2 * CHUNK_ELEMENTS  # type: ignore[misc]  # what closes at once, and gaps
        self._windows = stage.make_windows()
        self._folds = stage.function is not None
        self._idle = float(stage.idle)
        self._timed = False
        by: Any = attrgetter("ts") if stage.time == "ts" else stage.time
        self._times = value_runner(by, stage.supervision)

    def on_start(self) -> None:
        """Make the outboxes."""
        super().on_start()
        self._late = Outbox(self, LATE_OUT) if self._stage.late == "outlet" else None

    def ask(self) -> None:
        """A chunk at a time, as long as something is wanted and no late element waits."""
        n = self._stage.credit - self.requested(IN)
        if self.demand(OUT) > self.out.elements and n > 0 and not self._late:
            self.request(IN, n)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """Hand on what waits."""
        if outlet.index and self._late is not None:
            self._late.flush()
            self.proceed()
            self._complete_if_empty()
            return
        if not self.finished:
            self.ask()
        self.out.flush()
        self._complete_if_empty()

    def proceed(self) -> None:
        """Input was consumed: ask for more, now or when the slot is empty."""
        if not self.finished:
            super().proceed()

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        """Place each element, then emit what has closed."""
        rest, keys, failures = self.keyed(chunk)
        times: list[Any] = []
        if rest is not None:
            rest, keys, times, wrong = self._timed_elements(rest, keys)
            failures = [*failures, *wrong]
        if failures and self._policy is Supervision.RESTART:
            self._forget(failures[0][1])
        if rest is not None:
            failures = [*failures, *self._place(rest, keys, times)]
        self._windows.close_overdue()
        self._emit_closed()
        if self.stop_after(failures):
            return
        self._set_timer()
        self.proceed()

    def _timed_elements(self, chunk: Chunk, keys: list[Any]) -> tuple[Chunk | None, list[Any], list[Any], Failures]:
        times, missing, failures = self._times(chunk.items)
        if missing:
            self.ctx.count("missing_field", missing)
        wrong = [place for place, ts in enumerate(times) if not isinstance(ts, int | float) or ts != ts]
        known = {place for place, _ in failures}
        failures += [(place, TypeError(f"{times[place]!r} is no time")) for place in wrong if place not in known]
        if not failures:
            return chunk, keys, times, failures
        failures.sort(key=lambda failure: failure[0])
        rest, rows = self.survivors(chunk, list(zip(keys, times, strict=True)), failures)
        return rest, [key for key, _ in rows], [ts for _, ts in rows], failures

    def _place(self, chunk: Chunk, keys: Sequence[Any], times: Sequence[Any]) -> Failures:
        """Put each element where it belongs."""
        now, wall = self.ctx.clock.monotonic(), self.ctx.clock.wall_ns()
        gaps: list[int] = []
        refused: dict[Refused, list[int]] = {}
        placed: list[int] = []
        found: list[list[Window]] = []
        place_in = self._windows.place
        again = emitted_again(chunk)
        for place, (item, key, ts) in enumerate(zip(chunk.items, keys, times, strict=True)):
            trusted: int | None = wall
            if item.__class__ is Reading:
                if not item.fields and is_gap(item):
                    gaps.append(place)
                    continue
                if item.clock is not None and not item.clock.synced:
                    trusted = None
            windows = place_in(key, int(ts), now, trusted, again is not None and again[place])
            if isinstance(windows, Refused):
                refused.setdefault(windows, []).append(place)
            else:
                placed.append(place)
                found.append(windows)
        if gaps:
            self.out.put(chunk.take(gaps))
        for why, places in refused.items():
            self._refuse(chunk.take(places), why)
        if not placed:
            return []
        return self._fill(chunk if len(placed) == len(chunk) else chunk.take(placed), found)

    def _refuse(self, chunk: Chunk, why: Refused) -> None:
        if self._late is None:
            discard(self, chunk, why.value)
        elif self.is_closed(LATE_OUT):
            discard(self, chunk, "branch_cancelled")
        else:
            self.ctx.count(why.value, len(chunk))
            self._late.put(chunk)

    def _fill(self, chunk: Chunk, found: list[list[Window]]) -> Failures:
        """Give each window its elements; `found`: the windows of each element of `chunk`."""
        if self._stage.settle == "early":
            chunk.settle()
            chunk = Chunk(chunk.items)
        if any(len(windows) > 1 for windows in found):
            expanded = chunk.expand([[item] * len(windows) for item, windows in zip(chunk.items, found, strict=True)])
            assert expanded is not None  # each is in a window
            chunk = expanded
        places: dict[Window, list[int]] = {}
        for place, window in enumerate(window for windows in found for window in windows):
            places.setdefault(window.final(), []).append(place)
        failures: list[tuple[int, Exception]] = []
        for window, own in places.items():
            piece = chunk if len(own) == len(chunk) else chunk.take(own)
            if self._folds:
                self._fold(window, piece, failures)
            else:
                window.content.add(piece.items)  # type: ignore[attr-defined]  # a ReadingAggregate
                self._keep(window, piece)
        if failures and self._policy is Supervision.RESTART:
            self.ctx.count("restarts")
            self._forget(failures[0][1])
        return failures

    def _keep(self, window: Window, piece: Chunk) -> None:
        if piece.receipt is not None:
            window.parts.append(bare(piece))

    def _fold(self, window: Window, piece: Chunk, failures: list[tuple[int, Exception]]) -> None:
        good: list[int] = []
        for place, item in enumerate(piece.items):
            if failures and self._policy is not Supervision.RESUME:
                piece.take(range(place, len(piece))).fail(named(self, failures[0][1]))
                break
            try:
                window.content.add(item)  # type: ignore[attr-defined]  # a Folded
            except Exception as error:  # noqa: BLE001 - whatever user code raises belongs to its element
                note_failures(self, [(place, error)])
                self._failing = True
                failures.append((place, error))
                piece.take([place]).fail(named(self, error))
            else:
                good.append(place)
        if good:
            self._keep(window, piece if len(good) == len(piece) else piece.take(good))

    def _forget(self, error: BaseException) -> None:
        """Begin afresh: what windows hold fails."""
        self._windows.close_all()
        for window in self._windows.take_closed():
            settle_rest(self, window.parts, error)
        self._windows = self._stage.make_windows()

    # -- out -----------------------------------------------------------------------------------------------------------

    def _emit_closed(self) -> None:
        for name, n in self._windows.counts.items():
            self.ctx.count(name, n)
        self._windows.counts.clear()
        chunk = self._results()
        if chunk is not None:
            self.out.put(chunk)

    def _results(self) -> Chunk | None:
        """What has become of the windows that have closed."""
        items, parts = [], []
        for window in self._windows.take_closed():
            made = self._result(window)
            if made is not None:
                items.append(made)
                parts.append(window.parts)
            else:
                self.ctx.count(f"dropped_{NO_VALUES}", window.n)
                for part in window.parts:
                    part.drop(NO_VALUES)
        return join_each(items, parts) if items else None

    def _result(self, window: Window) -> Any:
        content = window.content
        if isinstance(content, Folded):
            return Windowed(window.key, window.start, window.end, content.value)
        assert isinstance(content, ReadingAggregate)
        for name, n in (("not_a_number", content.not_numbers), ("field_left_out", content.left_out)):
            if n:
                self.ctx.count(name, n)
        source = self.ctx.name if window.key is None else str(window.key)
        return content.reading(source, window.start, {WINDOW_UNTIL: str(window.end)})

    def _set_timer(self) -> None:
        since = self._windows.silent_since()
        if self._idle and not self._timed and since is not None:
            self._timed = True
            self.ctx.after(max(0.001, since + self._idle - self.ctx.clock.monotonic()), "idle")

    def on_timer(self, key: object) -> None:
        """A key may have been silent for too long."""
        self._timed = False
        self._windows.close_idle(self.ctx.clock.monotonic() + 0.0005, self._idle)
        self._emit_closed()
        self._set_timer()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        """Every window closes."""
        self._windows.close_all()
        self._emit_closed()
        self.finished = True
        self._complete_if_empty()

    def _complete_if_empty(self) -> None:
        if self.finished and not self.out and not self._late:
            self.complete_stage()

    def on_downstream_finish(self, outlet: Outlet, cause: BaseException | None) -> None:
        """Late elements are dropped if nobody wants them any more; if nobody wants the windows, nothing is."""
        if not outlet.index:
            self.cancel_stage(cause)
        elif self._late is not None:
            self._late.discard("branch_cancelled")
            self.proceed()
            self._complete_if_empty()

    def on_stop(self, error: BaseException | None) -> None:
        """Settle what is held."""
        super().on_stop(error)
        if self._late is not None:
            self._late.settle_rest(error)
        self._windows.close_all()
        for window in self._windows.take_closed():
            settle_rest(self, window.parts, error)

    def residue(self) -> list[Chunk]:
        """What is ready, then what open windows would emit on completion, then late elements as they came."""
        self._windows.close_all()
        made = self._results()
        late = self._late.take_all() if self._late is not None else []
        return [*super().residue(), *([made] if made is not None else []), *late]

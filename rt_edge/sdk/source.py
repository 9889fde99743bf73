"""AdapterSource: the stage through which an adapter's Readings enter a stream, on demand."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.data.errors import SpecViolation
from rt_edge.data.reading import Reading, gap_reading
from rt_edge.data.receipt import Origin
from rt_edge.sdk.adapter import Capability
from rt_edge.sdk.dead_letters import DeadLetterFile
from rt_edge.sdk.runner import AdapterRunner
from rt_edge.streams.ledger import Ledger
from rt_edge.streams.stage import OUT, Inlet, Outlet, ReceiptUse, Stage, StageLogic

DEFAULT_WINDOW = 1000
"""Unsettled Readings of a source whose protocol has no window of its own."""

GATHER_S = 0.005
"""Readings that come one by one are pushed at most this often: an idle source pushes at once, a busy one in chunks, since each
chunk wakes every process on its way."""

GATHER = 256
"""So many are pushed at once, however soon after the last."""

GAPS = 1000
"""Gap records that may wait for demand; further ones are counted as dropped."""


class AdapterSource(Stage, frozen=True, kw_only=True):
    """Readings of one adapter.

    Emits when: the adapter has a Reading, or an earlier one failed downstream and is emitted again.
    Backpressures when: there is no demand, or the window of unsettled Readings is full: then the adapter is not asked.
    Completes when: never; a device has no end.
    Cancels when: -

    Attributes:
        runner: owns the adapter.
        capability: what the adapter promises.
        attempts: failures a Reading may have before it goes to the dead letters.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.ORIGIN

    runner: Any
    capability: Capability
    attempts: int = 5

    @property
    def label(self) -> str:
        """The adapter's name."""
        return str(self.runner.name)

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        """None."""
        return ()

    @property
    def window(self) -> int:
        """Most unsettled Readings."""
        return self.capability.window or DEFAULT_WINDOW

    def create_logic(self) -> StageLogic:
        """One life of the source."""
        return SourceLogic(self)


class SourceLogic(StageLogic):
    """One life of a source."""

    def __init__(self, stage: AdapterSource) -> None:
        runner: AdapterRunner = stage.runner
        self._runner = runner
        self._window = stage.window
        self._asked = 0  # asked of the adapter and not emitted
        self._ready: deque[Reading] = deque(maxlen=self._window + GAPS)
        self._keys: list[bytes] = []
        self._again: list[bool] = []
        self._gaps = 0
        self._wanted = 0  # pulled and neither pushed nor asked of the adapter
        self._flushing = False
        self._gathering = False
        self._pushed = -GATHER_S  # when, by the clock
        self._quiet = False
        keyed = self._keyed = stage.capability.delivery == "redelivering"
        self._ledger = Ledger(
            Origin(runner.name, runner.incarnation), stage.attempts, self._settled, self._retry, self._dead, keyed
        )
        self._dead_letters = DeadLetterFile(runner.data / "dead-letters.jsonl", runner.clock)

    @property
    def unsettled(self) -> int:
        """Readings emitted and not settled, or received and not emitted."""
        return self._ledger.outstanding + len(self._ready)

    def quiet(self) -> None:
        """Ask the adapter for nothing more; what is under way goes on."""
        self._quiet = True

    def on_start(self) -> None:
        """Keep the adapter open."""
        runner = self._runner
        runner.on_emit = self._emit
        runner.on_session = self._session
        runner.on_forget = self._ledger.forget
        runner.on_gap = self._gap
        runner.start()

    def on_pull(self, outlet: Outlet, n: int) -> None:
        """Demand."""
        self._wanted += n
        self._flush()

    def on_stop(self, error: BaseException | None) -> None:
        """Let the adapter go."""
        runner = self._runner
        runner.on_emit = runner.on_session = runner.on_forget = runner.on_gap = None
        self.seat.engine.host.spawn(runner.stop(), lambda _result, _error: None)

    def _ask(self) -> None:
        if self._quiet:
            return
        room = self._window - self._ledger.outstanding - self._asked - len(self._ready)
        n = min(self._wanted - self._asked - len(self._ready), room)
        if n > 0:
            self._asked += n
            self._runner.adapter.demand(n)

    def _emit(self, readings: Sequence[Reading], keys: Sequence[bytes], redelivered: Sequence[bool]) -> None:
        if self._quiet:  # not accepted: never acknowledged, so a device that can will send it again
            self.ctx.count("not_accepted", len(readings))
            return
        if len(readings) > self._asked:
            raise SpecViolation("1.1", f"adapter {self.ctx.name} emitted {len(readings)} Readings where {self._asked} were asked")
        self._asked -= len(readings)
        self._ready.extend(readings)
        if keys:
            self._keys.extend(keys)
            self._again.extend(redelivered or [False] * len(readings))
        self._gather()

    def _gather(self) -> None:
        """Push now, or in a moment if there was a push just before and more may come."""
        wait = self._pushed + GATHER_S - self.ctx.clock.monotonic()
        if wait <= 0 or not self._asked or len(self._ready) >= GATHER:
            self._flush_soon()
        elif not self._gathering:
            self._gathering = True
            self.ctx.after(wait, "gather")

    def on_timer(self, key: object) -> None:
        """The moment is over."""
        self._gathering = False
        self._flush()

    def _gap(self, source: str, reason: str, start: int, end: int) -> None:
        self.ctx.count("gaps")
        # Who redelivers has no gaps, and its Readings are counted for their acknowledgement: none of ours between them.
        if self._gaps >= GAPS or self._keyed:
            self.ctx.count("dropped_gap_record")
            return
        self._gaps += 1
        self._ready.append(gap_reading(source, reason, start, end))
        self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self.ctx.soon(self._flush_now)

    def _flush_now(self) -> None:
        self._flushing = False
        self._flush()

    def _flush(self) -> None:
        """Push one chunk if there is one and the slot is free; ask the adapter for the rest of the demand."""
        if self._wanted > 0 and self.is_free(OUT):
            most = min(self._wanted, CHUNK_ELEMENTS)
            chunk = self._ledger.retry(most)
            if chunk is None and self._ready:
                chunk = self._take(most)
            if chunk is not None:
                self._wanted -= len(chunk)
                self._pushed = self.ctx.clock.monotonic()
                self.push(OUT, chunk)
        if (self._ready or self._ledger.waiting) and self._wanted > 0:
            self._flush_soon()
        self._ask()

    def _take(self, most: int) -> Any:
        ready = self._ready
        n = min(most, len(ready))
        items = [ready.popleft() for _ in range(n)]
        if not self._keys:
            self._gaps = min(self._gaps, len(ready))
            return self._ledger.emit(items)
        keys, self._keys = self._keys[:n], self._keys[n:]
        again, self._again = self._again[:n], self._again[n:]
        return self._ledger.emit(items, keys, again)

    def _settled(self, through: int) -> None:
        self._runner.adapter.settled(through)
        if self._wanted > 0:
            self._flush_soon()

    def _retry(self) -> None:
        self.ctx.count("retried")
        self._flush_soon()

    def _dead(self, element: Any, error: BaseException) -> None:
        self.ctx.count("dead_letters")
        self._dead_letters.add(element, error, self.ctx.name)

    def _session(self, token: str) -> None:
        origin = self._ledger.origin
        if token != origin.session:
            origin.session = token
            origin.keys.clear()  # elements of an earlier session must not commit their keys under this one
            origin.redelivered.clear()

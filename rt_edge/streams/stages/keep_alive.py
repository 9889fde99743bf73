"""keep_alive: an element when nothing has come for a while."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from rt_edge.data.chunk import CHUNK_ELEMENTS, Chunk
from rt_edge.data.reading import Reading
from rt_edge.data.units import Duration
from rt_edge.streams.stage import IN, OUT, Hold, Inlet, Outlet, ReceiptUse, Stage, StageLogic
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._outbox import OutboxLogic
from rt_edge.streams.stages._timeouts import GRAIN


class KeepAlive(Stage, frozen=True):
    """Lets everything pass, and emits `element` whenever nothing has come for `after`.

    What it adds has no receipt. If it is not wanted when its time has come, it goes out as soon as it is, unless something
    comes before; only one waits.

    Emits when: an element arrives, or none has for `after` and downstream asks.
    Backpressures when: downstream does.
    Completes when: upstream completes.
    Cancels when: downstream cancels.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        after: how long nothing may have come, also since the start.
        element: what to emit then; none: the last element again (a reading marked as `held`), and nothing before the first.
    """

    kind: ClassVar[str] = "keep_alive"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    after: Duration | float
    element: Any = None

    def __post_init__(self) -> None:
        """Refuse no time."""
        at_least(GRAIN, after=self.after)

    def holds(self) -> Hold:
        """What was asked for and finds its demand used up by what was added; it does not wait for further elements."""
        return Hold(CHUNK_ELEMENTS, 0.0)

    def create_logic(self) -> StageLogic:
        """A logic with a timer."""
        return _Logic(self)


class _Logic(OutboxLogic):
    def __init__(self, stage: KeepAlive) -> None:
        self._after = float(stage.after)
        self._given = stage.element
        self._last: Any = None
        self._is_due = False

    def on_start(self) -> None:
        super().on_start()
        self._since = self.ctx.clock.monotonic()
        self.ctx.after(self._after, "idle")

    def ask(self) -> None:
        n = min(self.demand(OUT), CHUNK_ELEMENTS) - self.out.elements - self.requested(IN)
        if n > 0:
            self.request(IN, n)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        super().on_pull(outlet, n)
        if self._is_due and not self.finished:
            self._emit()

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self._since = self.ctx.clock.monotonic()
        self._is_due = False
        self._last = chunk.items[-1]
        self.out.put(chunk)
        self.proceed()

    def on_timer(self, key: object) -> None:
        left = self._since + self._after - self.ctx.clock.monotonic()
        if left > GRAIN / 2:
            self.ctx.after(left, "idle")
            return
        self.ctx.after(self._after, "idle")
        self._since = self.ctx.clock.monotonic()
        self._emit()

    def _emit(self) -> None:
        element = self._given
        if element is None:
            element = self._last
            if element.__class__ is Reading and not element.held:
                element = self._last = msgspec.structs.replace(element, held=True)
        self._is_due = element is not None and not (self.is_free(OUT) and self.demand(OUT) > 0)
        if element is not None and not self._is_due:
            self.ctx.count("added")
            self.push(OUT, Chunk([element]))

"""buffer: elements that wait in memory, and what happens when there are too many."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.streams.drop_policy import DropPolicy
from rt_edge.streams.stage import IN, OUT, Hold, Inlet, Outlet, ReceiptUse, Stage, StageLogic
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._outbox import Outbox
from rt_edge.streams.stages._overflow import OVERFLOW, Overflow, hold_within

__all__ = ["OVERFLOW", "Buffer", "Overflow"]


class Buffer(Stage, frozen=True):
    """Holds up to `size` elements that downstream does not want yet.

    Emits when: downstream asks and an element is held or arrives.
    Backpressures when: `backpressure` and `size` elements are held or on their way; with the other strategies never.
    Completes when: upstream completes and all that was held has gone out.
    Cancels when: downstream cancels, or the buffer overflows under `fail`.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        size: elements held at most.
        overflow: what to do with an element too many. backpressure: do not ask for it. drop_head: drop the oldest.
            drop_tail: drop the youngest that is held. drop_buffer: drop all that is held. drop_new: drop it. fail: fail the
            stage. What is dropped is settled as dropped, `overflow`.
        control: a `DropPolicy` in the place of `overflow`: to change it while the stream runs. Elements that were asked for
            under a dropping policy are still dropped by it when the new one is `backpressure`.
    """

    kind: ClassVar[str] = "buffer"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    size: int
    overflow: Overflow = "backpressure"
    control: Any = None

    def __post_init__(self) -> None:
        """Refuse a buffer for nothing."""
        at_least(1, size=self.size)

    def holds(self) -> Hold:
        """Up to `size`; it does not wait for further elements."""
        return Hold(self.size, 0.0)

    def create_logic(self) -> StageLogic:
        """A logic with the elements held."""
        return _Logic(self)


class _Logic(StageLogic):
    def __init__(self, stage: Buffer) -> None:
        self._size = stage.size
        self._control: DropPolicy | None = stage.control
        self._overflow: Overflow = stage.overflow
        self._dropping: Overflow = "drop_new"
        self._finished = False

    def on_start(self) -> None:
        if self._control is not None:
            self._changed()
            self._deaf = self._control.listen(self.ctx.callback(self._change))
        self._out = Outbox(self, bound=self._size)
        self._ask()

    def _changed(self) -> None:
        if self._control is not None:
            if self._overflow != "backpressure":
                self._dropping = self._overflow
            self._overflow = self._control.policy

    def _change(self) -> None:
        self._changed()
        self._ask()

    def _ask(self) -> None:
        held = self._out.elements if self._overflow == "backpressure" else 0
        n = self._size - held - self.requested(IN)
        if n > 0 and not self._finished:
            self.request(IN, n)

    def on_pull(self, outlet: Outlet, n: int) -> None:
        self._out.flush()
        if self._finished and not self._out:
            self.complete_stage()
        self._ask()

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        rest: Chunk | None = chunk
        if not self._out:
            wanted = self.demand(OUT)
            if wanted >= len(chunk):
                self.push(OUT, chunk)
                rest = None
            elif wanted:
                first, rest = chunk.cut(wanted)
                self.push(OUT, first)
        if rest is not None:
            over = self._overflow == "backpressure" and self._out.elements + len(rest) > self._size
            hold_within(self, self._out, rest, self._size, self._dropping if over else self._overflow)
        self._ask()

    def on_upstream_finish(self, inlet: Inlet) -> None:
        self._finished = True
        if not self._out:
            self.complete_stage()

    def on_stop(self, error: BaseException | None) -> None:
        if self._control is not None:
            self._deaf()
        self._out.settle_rest(error)

    def residue(self) -> list[Chunk]:
        """What waits, in order."""
        return self._out.take_all()

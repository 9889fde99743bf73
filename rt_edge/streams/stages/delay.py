"""delay: each element some time later."""

from __future__ import annotations

from typing import ClassVar

from rt_edge.data.chunk import Chunk
from rt_edge.data.units import Duration
from rt_edge.streams.stage import Hold, Inlet, ReceiptUse, Stage, StageLogic
from rt_edge.streams.stages._common import at_least
from rt_edge.streams.stages._delaying import GRAIN, SIZE, DelayLogic, DelayOverflow, most_held


class Delay(Stage, frozen=True):
    """Emits each element `by` after it arrived.

    It asks for elements as long as it has room, so that their time runs whether they are wanted or not.

    Emits when: the time of the oldest element has come and downstream asks.
    Backpressures when: `backpressure` or `emit_early`, and `size` elements wait or are on their way; with the others never.
    Completes when: upstream completes and all that waits has gone out, each at its time.
    Cancels when: downstream cancels, or one too many comes under `fail`.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        by: how long.
        size: elements that wait at most.
        overflow: what to do with an element too many. backpressure: do not ask for it. emit_early: let the oldest go before its
            time, if downstream asks. drop_head: drop the oldest. drop_tail: drop the youngest that waits. drop_buffer: drop all
            that wait. drop_new: drop it. fail: fail the stage. What is dropped is settled as dropped, `overflow`.
    """

    kind: ClassVar[str] = "delay"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    by: Duration | float
    size: int = SIZE
    overflow: DelayOverflow = "backpressure"

    def __post_init__(self) -> None:
        """Refuse no time and no room."""
        at_least(GRAIN, by=self.by)
        at_least(1, size=self.size)

    def holds(self) -> Hold:
        """What waits, and under `emit_early` as much that has to go; it does not wait for further elements."""
        return Hold(most_held(self), float(self.by))

    def create_logic(self) -> StageLogic:
        """A logic with what waits, and a timer."""
        return _Logic(self)


class _Logic(DelayLogic):
    def __init__(self, stage: Delay) -> None:
        super().__init__(stage)
        self._by = float(stage.by)

    def on_push(self, inlet: Inlet, chunk: Chunk) -> None:
        self.hold(chunk, self._by)
        self.advance()

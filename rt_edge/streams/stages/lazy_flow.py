"""lazy_flow: a flow that is made when it is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.streams.stage import Hold, ReceiptUse, Stage, StageLogic
from rt_edge.streams.stages._lazy import LazyFlowLogic


class LazyFlow(Stage, frozen=True):
    """Runs a flow that is made when the first element comes.

    Emits when: the flow does.
    Backpressures when: the flow does.
    Completes when: the flow does; upstream completes before an element came.
    Cancels when: the flow cancels, downstream does, or the function raises.
    On restart: is not restarted.

    Attributes:
        function: () -> Flow.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    function: Callable[[], Any]

    def holds(self) -> Hold:
        """A chunk in front of the flow and one behind it; what the flow holds is not known before it is made."""
        return Hold(2 * CHUNK_ELEMENTS, 0.0)

    def create_logic(self) -> StageLogic:
        """A logic that waits for an element."""
        return LazyFlowLogic(self.function)

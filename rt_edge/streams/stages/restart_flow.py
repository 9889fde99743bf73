"""restart_flow: a flow that is run again when it has ended, after a wait."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.streams.stage import Hold, ReceiptUse, StageLogic
from rt_edge.streams.stages._backoff import Restarting
from rt_edge.streams.stages._restart import RestartFlowLogic


class RestartFlow(Restarting, frozen=True, kw_only=True):
    """Runs elements through a flow that is run again after a wait when it has ended.

    What a flow held when it ended fails towards its origin, which emits it again; elements without an origin are lost with it.

    Emits when: the flow does.
    Backpressures when: the flow does, or has ended and is not run again so far.
    Completes when: upstream has completed and the flow has; the flow completes and `only_failures`, or may not be run again.
    Cancels when: downstream cancels; the flow has ended for good.
    On restart: the flow is run again; this stage itself is not restarted.

    Attributes:
        flow: a Flow, or () -> Flow, called for each run.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    flow: Any

    def holds(self) -> Hold:
        """A chunk in front of the flow and one behind it; what the flow holds is not known before it is made."""
        return Hold(3 * CHUNK_ELEMENTS, 0.0)

    def create_logic(self) -> StageLogic:
        """A logic that counts the runs."""
        return RestartFlowLogic(self)

"""restart_flow: a flow that is run again when it has ended, after a wait."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.data.errors import ConfigError
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.nested import inner_combines, inner_hold, inner_part
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
        steps: the flow in a configuration: steps as in a graph.
    """

    kind: ClassVar[str] = "restart_flow"
    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD
    shorthand: ClassVar[str] = "steps"

    flow: Any = None
    steps: list[Any] = []

    def __post_init__(self) -> None:
        """Refuse waits that make no sense, and what is no flow, as far as that is known before it is made."""
        super().__post_init__()
        if self.flow is None and not self.steps:
            raise ConfigError("there is nothing to be run again", "say what: steps: [...]")
        self.known()

    def known(self) -> Blueprint | None:
        """What is run, if that is known before a function makes it; None also for the empty flow."""
        return None if callable(self.flow) and not hasattr(self.flow, "blueprint") else inner_part(self.flow, self.steps)

    def holds(self) -> Hold:
        """A chunk in front of the flow and two behind it, and what the flow holds, as far as it is known."""
        return inner_hold(self.known(), 3 * CHUNK_ELEMENTS)

    @property
    def combines(self) -> bool:  # type: ignore[override]  # a constant of most stages
        """As the flow does."""
        return inner_combines(self.known())

    def create_logic(self) -> StageLogic:
        """A logic that counts the runs."""
        return RestartFlowLogic(self)

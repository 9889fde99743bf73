"""The producer's side of a hub: a sink that leads into it."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.streams.hubs._sides import ToHubLogic, check_hub, into_hub
from rt_edge.streams.stage import Hold, Outlet, ReceiptUse, Stage, StageLogic
from rt_edge.streams.stages._common import Settle


class ToHub(Stage, frozen=True, kw_only=True):
    """Elements into a hub; each run is a producer of it. An element has the outcome that the hub's consumers give it.

    What is in the hub when this stage is stopped fails: its origin emits it again.

    Emits when: -
    Backpressures when: the hub has no room, or too much of what it took has no outcome.
    Completes when: upstream completes, the hub has taken everything, and all has its outcome.
    Cancels when: the hub has ended.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        hub: a `MergeHub`, `BroadcastHub` or `PartitionHub`.
        settle: end: see above. early: what the hub has taken is settled as stored, and volatile.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.HOLD

    hub: Any
    settle: Settle = "end"

    def __post_init__(self) -> None:
        """Refuse what is no hub."""
        check_hub(self.hub)

    def holds(self) -> Hold:
        """What is in the hub, and waits in front of it; it does not wait for further elements."""
        return into_hub(self.hub, self.settle)

    @property
    def label(self) -> str:
        """Its name in a graph."""
        return "to_hub"

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """None."""
        return ()

    def create_logic(self) -> StageLogic:
        """A producer."""
        return ToHubLogic(self.hub, self.settle)

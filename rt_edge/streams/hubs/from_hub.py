"""The consumer's side of a hub: a source that comes out of it."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.streams.hubs._sides import FromHubLogic, check_hub
from rt_edge.streams.hubs.ports import SlowConsumer
from rt_edge.streams.stage import Inlet, ReceiptUse, Stage, StageLogic


class FromHub(Stage, frozen=True, kw_only=True):
    """Elements out of a hub; each run is a consumer of it. Their outcome goes to who brought them.

    Emits when: the hub has an element for this consumer.
    Backpressures when: downstream does; what that means for the others is said by `slow`.
    Completes when: the hub does, after what waits for this consumer.
    Cancels when: downstream cancels: this consumer leaves the hub.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        hub: a `MergeHub`, `BroadcastHub` or `PartitionHub`.
        slow: what happens when this consumer is slow; None: as the hub says.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.PASS

    hub: Any
    slow: SlowConsumer | None = None

    def __post_init__(self) -> None:
        """Refuse what is no hub."""
        check_hub(self.hub)

    @property
    def label(self) -> str:
        """Its name in a graph."""
        return "from_hub"

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        """None."""
        return ()

    def lets_out(self) -> int:
        """What this consumer may have and not have settled."""
        return int(self.hub.window)

    def create_logic(self) -> StageLogic:
        """A consumer."""
        return FromHubLogic(self.hub, lambda wake, name: self.hub.join(wake, self.slow, name))

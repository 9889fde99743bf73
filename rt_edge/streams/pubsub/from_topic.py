"""Subscribing as a stage."""

from __future__ import annotations

from typing import Any, ClassVar

from rt_edge.streams.hubs._sides import FromHubLogic
from rt_edge.streams.hubs.ports import SlowConsumer
from rt_edge.streams.pubsub.broker import check_broker
from rt_edge.streams.pubsub.topics import check_filter
from rt_edge.streams.stage import Inlet, ReceiptUse, Stage, StageLogic


class FromTopic(Stage, frozen=True, kw_only=True):
    """What is published under topics, as `Message`s; each run is a subscriber. Their outcome goes to the publisher.

    Emits when: a message is there for this subscriber: what is retained first.
    Backpressures when: downstream does; what that means for publishers is said by `slow`.
    Completes when: the broker does, after what waits for this subscriber.
    Cancels when: downstream cancels: the subscription ends.
    On restart: calls no user code, so it is not restarted.

    Attributes:
        broker: the broker.
        topics: a filter, with the wildcards of MQTT: + for a level, # for all from there on.
        group: one member of each group gets a message, the one with the most room; empty: of no group.
        slow: what happens when this subscriber is slow; None: as the broker says.
    """

    receipts: ClassVar[ReceiptUse] = ReceiptUse.PASS

    broker: Any
    topics: str
    group: str = ""
    slow: SlowConsumer | None = None

    def __post_init__(self) -> None:
        """Refuse what is no broker, or no filter."""
        check_broker(self.broker)
        check_filter(self.topics)

    @property
    def label(self) -> str:
        """Its name in a graph."""
        return "from_topic"

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        """None."""
        return ()

    def lets_out(self) -> int:
        """What this subscriber may have and not have settled."""
        return int(self.broker.window)

    def create_logic(self) -> StageLogic:
        """A subscriber."""
        return FromHubLogic(self.broker, lambda wake, name: self.broker.subscribe(self.topics, wake, self.group, self.slow, name))

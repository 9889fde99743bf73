"""TopicService: publish and subscribe between actors, one a node; what a topic actor does with its messages, without Thespian.

Outcomes travel back: a message of a publisher with receipts (`TopicClient.publisher`) is kept by that publisher until every
subscriber that was there, and one member of each group, has settled it (docs/adr/0010). So nothing that was acknowledged is
lost with a topic actor, a subscriber, or a member of a group. What comes by `Publish` is volatile.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any, ClassVar

from rt_edge.actors.routers.topic_core import TopicCore
from rt_edge.actors.routers.topic_messages import (
    CountSubscribers,
    GetTopics,
    JoinPeer,
    OpenPublisher,
    Publish,
    RequireSubscribers,
    Subscribers,
    SubscribeTopic,
    Topics,
    UnsubscribeTopic,
)
from rt_edge.actors.routers.topic_streams import into_broker
from rt_edge.actors.routers.topic_use import TopicUse
from rt_edge.actors.transport.messages import SendFailed
from rt_edge.data.clock import Clock
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.pubsub.broker import Broker


class TopicService(TopicUse):
    """Everything published here goes to all who have subscribed here. Nodes are joined by `JoinPeer`.

    Attributes:
        required: who has to be there before anything is taken from publishers, see `RequireSubscribers`.
        make_broker: makes its broker: a subclass bounds it otherwise.
    """

    required: ClassVar[tuple[str, ...]] = ()
    make_broker: ClassVar[Any] = partial(Broker, group_order="topic", refuse_overtaking=True)
    counters: Counter[str]

    def begin(self, clock: Clock) -> None:
        """To be called once, before anything else."""
        super().begin(clock)
        self.core = TopicCore(self, type(self).make_broker(), self.desk, self.required)

    def on_Publish(self, message: Publish, sender: Any) -> None:
        """Deliver it, and say how much was taken."""
        done = self.core.publish(message.messages, sender, message.operation)
        if message.operation:
            self.send(sender, done)
        else:
            self.counters["dropped_no_room"] += len(message.messages) - done.taken

    def on_OpenPublisher(self, message: OpenPublisher, sender: Any) -> None:
        """One more publisher with receipts."""
        self.send(sender, self.core.open_publisher(sender, message.wire))

    def on_SubscribeTopic(self, message: SubscribeTopic, sender: Any) -> None:
        """One more subscriber, or filter."""
        self.send(sender, self.core.subscribe(message, sender))

    def on_UnsubscribeTopic(self, message: UnsubscribeTopic, sender: Any) -> None:
        """One less."""
        self.send(sender, self.core.unsubscribe(message.topics, sender, message.life, message.group))

    def on_RequireSubscribers(self, message: RequireSubscribers, sender: Any) -> None:
        """From now on."""
        self.core.require(message.names)

    def on_GetTopics(self, message: GetTopics, sender: Any) -> None:
        """What is retained, and how it goes."""
        counters = {**self.core.broker.counters, **self.counters}
        self.send(sender, Topics(message.number, self.core.broker.topics(), counters, self.core.missing))

    def on_CountSubscribers(self, message: CountSubscribers, sender: Any) -> None:
        """How many there are."""
        self.send(sender, Subscribers(message.topic, self.core.broker.count(message.topic)))

    def on_JoinPeer(self, message: JoinPeer, sender: Any) -> None:
        """Get what is published at another node, once for all here; its outcome is that of the subscribers here."""
        self.subscribe(message.address, message.topics, relay=True, name=message.name)

    def on_SendFailed(self, message: SendFailed, sender: Any) -> None:
        """A subscriber, a publisher or another node is dead. What was only lost is said again by the wires."""
        if message.dead:
            self._inboxes = [inbox for inbox in self._inboxes if inbox.at != sender]
            self.core.died(sender)

    def _intake(self, at: Any, life: str, post: Any) -> Blueprint:
        return into_broker(self.core.broker, life, post, "peer", relayed=True)

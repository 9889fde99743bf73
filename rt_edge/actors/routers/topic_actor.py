"""TopicActor: publish and subscribe between actors, one a node; and the base of its subscribers.

No outcomes travel here: `Published` says how many messages were taken, `Demand` for how many a subscriber has room, and nothing
what became of them. So a message that was taken is volatile. To a subscriber that lives it comes once and in order; what waits
for one that dies, or was sent to it, is lost. Receipts go through topics within a process (`rt_edge.streams.pubsub`), and over
wires between islands (docs/adr/0010).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from typing import Any, ClassVar
from uuid import uuid4

import msgspec
from thespian.actors import ActorAddress

from rt_edge.actors.base import BaseActor
from rt_edge.actors.routers.topic_core import BATCH, Inbox, TopicCore
from rt_edge.actors.routers.topic_messages import (
    CountSubscribers,
    Delivered,
    Demand,
    GetTopics,
    JoinPeer,
    Publish,
    SubscribeAck,
    Subscribers,
    SubscribeTopic,
    Topics,
    UnsubscribeTopic,
)
from rt_edge.actors.transport.addresses import address_key
from rt_edge.actors.transport.messages import SendFailed
from rt_edge.data.clock import SystemClock
from rt_edge.streams.pubsub.broker import Broker, Message

log = logging.getLogger(__name__)

NOT_SUBSCRIBED = "not subscribed"

AGAIN_S = 5.0
"""Demand is said again after so long: what was lost heals."""


class SubscriberActor(BaseActor):
    """Base of actors that subscribe: call `subscribe`, override `on_messages`.

    Attributes:
        window: messages that may be on their way.
    """

    window: ClassVar[int] = BATCH

    def __init__(self) -> None:
        super().__init__()
        self._inboxes: list[tuple[ActorAddress, Inbox]] = []
        self._wanted: list[tuple[ActorAddress, SubscribeTopic]] = []

    def subscribe(
        self, at: ActorAddress, topics: str, group: str = "", overflow: str = "backpressure", relay: bool = False
    ) -> None:
        """Want these topics of a topic actor."""
        inbox = self._inbox(at)
        if inbox is None:
            inbox = Inbox(uuid4().hex, self.window)
            self._inboxes.append((at, inbox))
            self.after(AGAIN_S, self._again, at)
        message = SubscribeTopic(topics, inbox.life, group, overflow, relay)
        self._wanted.append((at, message))
        self.send(at, message)

    def unsubscribe(self, at: ActorAddress, topics: str = "", group: str = "") -> None:
        """Want these no more; without topics: none."""
        inbox = self._inbox(at)
        if inbox is not None:
            gone = [
                one for one in self._wanted if one[0] == at and (not topics or (one[1].topics, one[1].group) == (topics, group))
            ]
            self._wanted = [one for one in self._wanted if one not in gone]
            self.send(at, UnsubscribeTopic(inbox.life, topics, group))
            if not any(address == at for address, _ in self._wanted):
                self._inboxes = [one for one in self._inboxes if one[0] != at]

    def on_messages(self, messages: list[Message]) -> None:
        """What was published, in order."""
        raise NotImplementedError

    def on_SubscribeAck(self, message: SubscribeAck, sender: ActorAddress) -> None:
        """The subscription is there: ask. If it was forgotten (the topic actor is another one, or took us for dead): again."""
        if message.error == NOT_SUBSCRIBED:
            self._subscribe_again(sender, message.life)
        elif message.error:
            log.error("%s could not subscribe: %s", self.name, message.error)
        else:
            self._ask(sender)

    def on_Delivered(self, message: Delivered, sender: ActorAddress) -> None:
        """Take it, and ask for more."""
        inbox = self._inbox(sender)
        if inbox is not None:
            messages = inbox.receive(message)
            self._ask(sender)
            if messages:
                self.on_messages(messages)

    def _subscribe_again(self, at: ActorAddress, life: str) -> None:
        inbox = self._inbox(at)
        if inbox is None or inbox.life != life:
            return
        fresh = Inbox(uuid4().hex, self.window)
        self._inboxes = [(address, fresh if one is inbox else one) for address, one in self._inboxes]
        for address, message in self._wanted:
            if address == at:
                self.send(at, msgspec.structs.replace(message, life=fresh.life))

    def _inbox(self, at: ActorAddress) -> Inbox | None:
        return next((inbox for address, inbox in self._inboxes if address == at), None)

    def _ask(self, at: ActorAddress) -> None:
        inbox = self._inbox(at)
        if inbox is not None:
            self.send(at, Demand(inbox.life, inbox.total))

    def _again(self, at: ActorAddress) -> None:
        if self._inbox(at) is not None:
            self._ask(at)
            self.after(AGAIN_S, self._again, at)


class TopicActor(SubscriberActor):
    """Everything published here goes to all who have subscribed here, as one message each. Nodes are joined by `JoinPeer`."""

    def __init__(self) -> None:
        super().__init__()
        self._clock = SystemClock()
        self.core = TopicCore(self, Broker())
        self._backlog: list[Message] = []

    # -- for the core --------------------------------------------------------------------------------------------------

    def now(self) -> float:
        """Monotonic time."""
        return self._clock.monotonic()

    def after(self, seconds: float, function: Callable[..., object], *args: object) -> Any:
        """As of the base; returns what cancels it."""
        return super().after(seconds, function, *args).cancel

    def key(self, address: ActorAddress) -> Hashable:
        """The same for the same actor."""
        return address_key(address)

    def same(self, one: ActorAddress, other: ActorAddress) -> bool:
        """Whether two addresses are those of one actor."""
        return bool(one == other)

    def create(self) -> ActorAddress:
        """It creates nobody."""
        raise NotImplementedError

    def end(self, address: ActorAddress) -> None:
        """It ends nobody."""
        raise NotImplementedError

    # -- messages ------------------------------------------------------------------------------------------------------

    def on_Publish(self, message: Publish, sender: ActorAddress) -> None:
        """Deliver it, and say how much was taken."""
        done = self.core.publish(message.messages, sender, message.operation)
        if message.operation:
            self.send(sender, done)
        else:
            self.counters["dropped_no_room"] += len(message.messages) - done.taken

    def on_SubscribeTopic(self, message: SubscribeTopic, sender: ActorAddress) -> None:
        """One more subscriber, or filter."""
        ack = self.core.subscribe(message.topics, sender, message.life, message.group, message.overflow, message.relay)
        self.send(sender, ack)

    def on_UnsubscribeTopic(self, message: UnsubscribeTopic, sender: ActorAddress) -> None:
        """One less."""
        self.send(sender, self.core.unsubscribe(message.topics, sender, message.life, message.group))

    def on_Demand(self, message: Demand, sender: ActorAddress) -> None:
        """A subscriber can take more; what came from other nodes and waited has room now, perhaps."""
        if not self.core.demand(sender, message.life, message.total):
            self.send(sender, SubscribeAck(message.life, (), NOT_SUBSCRIBED))
        self._pass_on()

    def on_GetTopics(self, message: GetTopics, sender: ActorAddress) -> None:
        """What is retained, and how it goes."""
        counters = {**self.core.broker.counters, **self.counters}
        self.send(sender, Topics(message.number, self.core.broker.topics(), counters))

    def on_CountSubscribers(self, message: CountSubscribers, sender: ActorAddress) -> None:
        """How many there are."""
        self.send(sender, Subscribers(message.topic, self.core.broker.count(message.topic)))

    def on_JoinPeer(self, message: JoinPeer, sender: ActorAddress) -> None:
        """Get what is published at another node, once for all here."""
        self.subscribe(message.address, message.topics, relay=True)

    def on_SendFailed(self, message: SendFailed, sender: ActorAddress) -> None:
        """A subscriber that is dead, or lost something, is forgotten; if it lives, its next demand is answered so."""
        self.core.died(sender)

    # -- as a subscriber of another node -------------------------------------------------------------------------------

    def on_messages(self, messages: list[Message]) -> None:
        """From another node: to all here, not to other nodes."""
        self._backlog += [Message(m.topic, m.payload, m.retain, m.retained, relayed=True) for m in messages]
        self._pass_on()

    def _ask(self, at: ActorAddress) -> None:
        if not self._backlog:  # what waits here is bounded by the window: no more is asked for before it has gone
            super()._ask(at)

    def _pass_on(self) -> None:
        if self._backlog:
            taken = self.core.publish(tuple(self._backlog), self.myAddress).taken
            del self._backlog[:taken]
            if not self._backlog:
                for address, _ in self._inboxes:
                    self._ask(address)

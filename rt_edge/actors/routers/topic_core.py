"""Topic core: what a topic actor does, without Thespian: subscribers with demand, around a `Broker`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, cast, get_args

from rt_edge.actors.routers.members import Surroundings
from rt_edge.actors.routers.topic_messages import Delivered, Published, SubscribeAck
from rt_edge.data.errors import ConfigError, RtEdgeError
from rt_edge.streams.hubs.ports import Port, SlowConsumer
from rt_edge.streams.pubsub.broker import Broker, Message
from rt_edge.streams.pubsub.topics import check_topic
from rt_edge.streams.stages._overflow import Overflow

BATCH = 256
"""Messages in one `Delivered`, at most."""

REMEMBERED = 4096
"""Operations whose repetition is known as such, over all publishers."""


class Subscription:
    """One subscriber: an actor, with all its filters."""

    __slots__ = ("address", "life", "port", "sent", "total")

    def __init__(self, address: Any, life: str) -> None:
        self.address = address
        self.life = life
        self.port: Port | None = None
        self.total = 0
        self.sent = 0


class TopicCore:
    """Publishes and delivers.

    Args:
        around: the actor it lives in.
        broker: keeps subscriptions, retained messages, and what waits.
    """

    def __init__(self, around: Surroundings, broker: Broker) -> None:
        self._around = around
        self.broker = broker
        self._entry = broker.enter(_nothing, "actor")
        self._subscriptions: dict[Hashable, Subscription] = {}
        self._done: OrderedDict[tuple[Hashable, str], Published] = OrderedDict()

    # -- publishers ----------------------------------------------------------------------------------------------------

    def publish(self, messages: tuple[Message, ...], sender: Any, operation: str = "") -> Published:
        """Take what there is room for; a repetition is answered as before.

        A publisher that is told of fewer than it sent sends the rest under another operation.
        """
        known = (self._around.key(sender), operation)
        if operation and known in self._done:
            return self._done[known]
        try:
            for message in messages:
                check_topic(message.topic)
            taken = self.broker.offer(self._entry, messages, self._around.now())
            done = Published(operation, taken)
        except RtEdgeError as error:
            done = Published(operation, 0, str(error))
        if operation:
            self._done[known] = done
            if len(self._done) > REMEMBERED:
                self._done.popitem(last=False)
        self.deliver()
        return done

    # -- subscribers ---------------------------------------------------------------------------------------------------

    def subscribe(self, topics: str, sender: Any, life: str, group: str, overflow: str, relay: bool = False) -> SubscribeAck:
        """One more filter of a subscriber; another life of it begins anew."""
        key = self._around.key(sender)
        one = self._subscriptions.get(key)
        try:
            if one is not None and one.life != life:
                self._end(key)
                one = None
            if one is None:
                one = Subscription(sender, life)
                if overflow not in get_args(Overflow):
                    raise ConfigError(f"there is no overflow strategy {overflow!r}", f"one of {', '.join(get_args(Overflow))}")
                slow = SlowConsumer(overflow=cast(Overflow, overflow))
                one.port = self.broker.subscribe(topics, _nothing, group, slow, relay=relay)
                self._subscriptions[key] = one
            elif one.port is not None:
                self.broker.add_filter(one.port, topics, group)
        except RtEdgeError as error:
            return SubscribeAck(life, (), str(error))
        self._deliver(one)
        return self._ack(one)

    def unsubscribe(self, topics: str, sender: Any, life: str, group: str) -> SubscribeAck:
        """One filter less; without topics: none is left."""
        key = self._around.key(sender)
        one = self._subscriptions.get(key)
        if one is None or one.life != life or one.port is None:
            return SubscribeAck(life, ())
        if topics:
            self.broker.remove_filter(one.port, topics, group)
        if not topics or not self.broker.filters(one.port):
            self._end(key)
            return SubscribeAck(life, ())
        return self._ack(one)

    def demand(self, sender: Any, life: str, total: int) -> bool:
        """A subscriber can take so many, counted from its begin. False: it has not subscribed, or was forgotten."""
        one = self._subscriptions.get(self._around.key(sender))
        if one is None or one.life != life:
            return False
        if total > one.total:
            one.total = total
            self._deliver(one)
        return True

    def died(self, address: Any) -> None:
        """A subscriber is gone."""
        self._end(self._around.key(address))

    def deliver(self) -> None:
        """Send what waits and is wanted."""
        for one in list(self._subscriptions.values()):
            self._deliver(one)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _deliver(self, one: Subscription) -> None:
        while one.port is not None and one.total > one.sent:
            messages = self.broker.take(one.port, min(BATCH, one.total - one.sent))
            if not messages:
                return
            self._around.send(one.address, Delivered(one.life, one.sent, tuple(messages)))
            one.sent += len(messages)

    def _end(self, key: Hashable) -> None:
        one = self._subscriptions.pop(key, None)
        if one is not None and one.port is not None:
            self.broker.leave(one.port)

    def _ack(self, one: Subscription) -> SubscribeAck:
        return SubscribeAck(one.life, self.broker.filters(one.port) if one.port is not None else ())


class Inbox:
    """The subscriber's side: puts what is delivered in order, each message once, and says how much more it can take.

    Args:
        life: of this subscriber.
        window: messages asked for and not taken, at most.
    """

    def __init__(self, life: str, window: int = BATCH) -> None:
        self.life = life
        self._window = window
        self._next = 0
        self._early: dict[int, Delivered] = {}

    @property
    def total(self) -> int:
        """What to ask for: all that was taken, and the window."""
        return self._next + self._window

    def receive(self, delivered: Delivered) -> list[Message]:
        """What is due now, in order; what comes early waits, what was had is left out."""
        if delivered.life != self.life or delivered.first < self._next:
            return []
        if delivered.first + len(delivered.messages) > self.total:
            return []  # more than was asked for: not of this topic actor
        self._early[delivered.first] = delivered
        due: list[Message] = []
        while self._next in self._early:
            messages = self._early.pop(self._next).messages
            self._next += len(messages)
            due += messages
        return due


def _nothing() -> None:
    """The actor delivers by itself."""

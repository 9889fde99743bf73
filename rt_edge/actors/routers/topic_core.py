"""Topic core: what a topic actor does, without Thespian: publishers and subscribers in other processes, around a `Broker`.

Each is a stream in this actor, joined to its process by a wire. A message that came over a wire has the outcome that the
subscribers give it, as in one process (docs/adr/0010): its publisher keeps it until then. One that came by `Publish` is volatile.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, cast, get_args

from rt_edge.actors.routers.stream_desk import Around, StreamDesk
from rt_edge.actors.routers.topic_codec import check_payload
from rt_edge.actors.routers.topic_messages import Published, PublisherAck, SubscribeAck, SubscribeTopic
from rt_edge.actors.routers.topic_streams import Subscribed, SubscribedLogic, into_broker, out_of_broker
from rt_edge.data.errors import ConfigError, IslandDied, RtEdgeError
from rt_edge.streams.hubs.ports import Port, SlowConsumer
from rt_edge.streams.pubsub.broker import GROUP, Broker
from rt_edge.streams.pubsub.message import Message
from rt_edge.streams.pubsub.topics import check_filter, check_topic
from rt_edge.streams.stages._overflow import Overflow

log = logging.getLogger(__name__)

REMEMBERED = 4096
"""Operations whose repetition is known as such, over all publishers."""

SILENT_S = 1.0
"""A subscriber that has messages unsettled and says nothing for so long is spoken to: sending tells if it is dead."""

IDLE_S = 60.0
"""So is one that has none, after this: longer than the silence of one that lives."""


class Subscription:
    """One subscriber: an actor, with all its filters."""

    __slots__ = ("address", "life", "logic", "name")

    def __init__(self, address: Any, life: str, name: str) -> None:
        self.address = address
        self.life = life
        self.name = name
        self.logic: SubscribedLogic | None = None

    def joined(self, logic: SubscribedLogic) -> None:
        """Its stream."""
        self.logic = logic

    @property
    def port(self) -> Port | None:
        """What the broker knows it as."""
        return None if self.logic is None else self.logic.port


class TopicCore:
    """Publishes and delivers.

    Args:
        around: the actor it lives in.
        broker: keeps subscriptions, retained messages, and what waits.
        desk: of the actor's streams.
        required: see `RequireSubscribers`.

    Attributes:
        missing: of those who are required, who is not there.
    """

    def __init__(self, around: Around, broker: Broker, desk: StreamDesk, required: tuple[str, ...] = ()) -> None:
        self._around = around
        self._desk = desk
        self.broker = broker
        self._entry = broker.enter(_nothing, "actor")
        self._subscriptions: dict[Hashable, Subscription] = {}
        self._done: OrderedDict[tuple[Hashable, str], Published] = OrderedDict()
        self._over: OrderedDict[str, None] = OrderedDict()  # lives that have unsubscribed: a late repetition is none of a new one
        self._leaving: list[Subscription] = []
        self._watching = False
        self._required: tuple[str, ...] = ()
        self.missing: tuple[str, ...] = ()
        self.require(required)

    # -- publishers ----------------------------------------------------------------------------------------------------

    def publish(self, messages: tuple[Message, ...], sender: Any, operation: str = "") -> Published:
        """Take what there is room for, without receipts; a repetition is answered as before.

        A publisher that is told of fewer than it sent sends the rest under another operation.
        """
        known = (self._around.key(sender), operation)
        if operation and known in self._done:
            return self._done[known]
        try:
            for message in messages:
                check_topic(message.topic)
                check_payload(message.payload)
            taken = self.broker.offer(self._entry, messages, self._around.now())
            done = Published(operation, taken)
        except RtEdgeError as error:
            done = Published(operation, 0, str(error))
        if operation:
            self._done[known] = done
            if len(self._done) > REMEMBERED:
                self._done.popitem(last=False)
        return done

    def open_publisher(self, sender: Any, wire: str, relayed: bool = False) -> PublisherAck:
        """What comes over this wire is published, and its outcomes go back over it; a repetition does nothing."""
        if self._desk.runs(wire):
            return PublisherAck(wire)
        if self.broker.producers >= self.broker.producers_most:
            return PublisherAck(wire, f"the topic actor has {self.broker.producers:,} publishers already")
        try:
            post = self._desk.wire(wire, sender, producing=False)
            name = wire.partition(">")[0]
            self._desk.run(wire, into_broker(self.broker, wire, post, name, relayed), _ended("publisher", wire))
        except RtEdgeError as error:
            return PublisherAck(wire, str(error))
        return PublisherAck(wire)

    # -- subscribers ---------------------------------------------------------------------------------------------------

    def subscribe(self, message: SubscribeTopic, sender: Any) -> SubscribeAck:
        """More filters of a subscriber; another life of it begins anew."""
        life, key = message.life, self._around.key(sender)
        one = self._subscriptions.get(key)
        if life in self._over:
            return SubscribeAck(life, over=not self._desk.runs(life))
        wanted = [(message.topics, message.group), *message.more]
        try:
            if one is not None and (one.life != life or not self._desk.runs(life)):
                self._end(key, IslandDied(f"a subscriber of {one.life} has another life"))
                one = None
            if one is None:
                one = self._subscriptions[key] = self._open(message, sender)
            if one.port is not None:
                for topics, group in wanted:
                    self.broker.add_filter(one.port, topics, group)
        except RtEdgeError as error:
            return SubscribeAck(life, error=str(error))
        finally:
            self._count()
        has = () if one.port is None or not message.whole else self.broker.filters(one.port)
        return SubscribeAck(life, tuple(set(has).difference(wanted)))

    def unsubscribe(self, topics: str, sender: Any, life: str, group: str) -> SubscribeAck:
        """One filter less; without topics: it is over, also for what of this life is still on its way."""
        key = self._around.key(sender)
        one = self._subscriptions.get(key)
        if one is not None and one.life != life:
            one = None
        if topics:
            if one is not None and one.port is not None:
                self.broker.remove_filter(one.port, topics, group)
                self._count()
            return SubscribeAck(life)
        self._over[life] = None
        if len(self._over) > REMEMBERED:
            self._over.popitem(last=False)
        if one is not None:
            self._end(key, None)
            self._count()
        return SubscribeAck(life, over=not self._desk.runs(life))

    def died(self, address: Any) -> None:
        """An actor is gone: what it had as a subscriber fails, or goes to another one of its group; its publishers end."""
        error = IslandDied("its actor is gone")
        self._subscriptions.pop(self._around.key(address), None)
        self._count()
        self._desk.gone(address, error)

    def require(self, names: tuple[str, ...]) -> None:
        """While one of these is not there, take nothing from publishers."""
        self._required = names
        self._count()

    # -- inside --------------------------------------------------------------------------------------------------------

    def _open(self, message: SubscribeTopic, sender: Any) -> Subscription:
        check_filter(message.topics)
        life, name = message.life, message.name
        if message.overflow not in get_args(Overflow):
            raise ConfigError(f"there is no overflow strategy {message.overflow!r}", f"one of {', '.join(get_args(Overflow))}")
        for key in [key for key, other in self._subscriptions.items() if name and other.name == name]:
            log.warning("the subscriber %s is %s now, and not %s any more", name, sender, self._subscriptions[key].address)
            self._end(key, IslandDied(f"the subscriber {name} has another life"))
        one = Subscription(sender, life, name)
        slow = SlowConsumer(overflow=cast("Overflow", message.overflow))
        stage = Subscribed(
            broker=self.broker, topics=message.topics, group=message.group, slow=slow, relay=message.relay, joined=one.joined
        )
        post = self._desk.wire(life, sender, producing=True)
        ended = _ended("subscriber", life)
        self._desk.run(life, out_of_broker(stage, life, post, name or "subscriber"), ended)
        if one.port is None:
            raise ConfigError("the topic actor has no room for one more subscriber")
        self._watch()
        return one

    def _count(self) -> None:
        """Whether all are there that have to be."""
        if not self._required:
            self.missing = ()
            self.broker.pause(False)
            return
        there = set()
        for one in self._subscriptions.values():
            if one.port is not None and not one.port.ended:  # it may be disconnected, and come again
                there.add(one.name)
                there.update(GROUP + group for _, group in self.broker.filters(one.port) if group)
        missing = tuple(name for name in self._required if name not in there)
        if missing and missing != self.missing:
            log.warning("nothing is taken from publishers before these have subscribed: %s", ", ".join(missing))
        self.missing = missing
        self.broker.pause(bool(missing))

    def _watch(self) -> None:
        if not self._watching:
            self._watching = True
            self._around.after(SILENT_S, self._look)

    def _look(self) -> None:
        self._watching = False
        self._leaving = [one for one in self._leaving if self._desk.runs(one.life)]
        for one in self._leaving:
            if one.logic is not None:
                one.logic.end()
        self._count()
        for one in [*self._subscriptions.values(), *self._leaving]:
            if one.port is not None:
                self._desk.nudge(one.address, SILENT_S if one.port.out else IDLE_S)
        if self._subscriptions or self._leaving:
            self._watch()

    def _end(self, key: Hashable, error: BaseException | None) -> None:
        one = self._subscriptions.pop(key, None)
        if one is None:
            return
        if error is not None or one.logic is None:
            self._desk.stop(one.life, error)
        else:
            one.logic.leave()
            self._leaving.append(one)


def _ended(what: str, wire: str) -> Callable[[BaseException | None], None]:
    return partial(_say_ended, what, wire)


def _say_ended(what: str, wire: str, error: BaseException | None) -> None:
    if error is not None:
        log.info("the stream of the %s %s has ended: %s", what, wire, error)


def _nothing() -> None:
    """`Publish` is tried again by whoever sent it."""

"""TopicUse: what an actor does that subscribes to topic actors, or publishes there with receipts; without Thespian."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from itertools import count
from typing import Any, ClassVar, Protocol
from uuid import uuid4

import msgspec

from rt_edge.actors.node_messages import Signals
from rt_edge.actors.routers.stream_desk import StreamDesk
from rt_edge.actors.routers.topic_messages import OpenPublisher, PublisherAck, SubscribeAck, SubscribeTopic, UnsubscribeTopic
from rt_edge.actors.routers.topic_publisher import ATTEMPTS, WINDOW, TopicPublisher
from rt_edge.actors.routers.topic_streams import into_subscriber
from rt_edge.actors.transport.messages import SendFailed
from rt_edge.data.chunk import Chunk
from rt_edge.data.clock import Clock
from rt_edge.data.errors import BufferOverflow, ConfigError
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.pubsub.message import Message

log = logging.getLogger(__name__)

AGAIN_S = 5.0
"""What one subscribes to, and publishes, is said again after so long: a topic actor that has forgotten it learns it."""


class _Inbox:
    """What comes from one topic actor."""

    __slots__ = ("at", "leaving", "life", "wanted")

    def __init__(self, at: Any) -> None:
        self.at = at
        self.life = uuid4().hex
        self.wanted: dict[tuple[str, str], SubscribeTopic] = {}  # by topics and group
        self.leaving = False

    def whole(self) -> SubscribeTopic | UnsubscribeTopic:
        """All that there is to say."""
        if self.leaving:
            return UnsubscribeTopic(self.life)
        first, *more = self.wanted
        return msgspec.structs.replace(self.wanted[first], life=self.life, more=tuple(more), whole=True)


class Publisher(Protocol):
    """What publishes: its wire, which is said again and again, what it is known by, and whether it has ended."""

    wire: str
    name: str
    ended: bool


class TopicUse:
    """Uses topic actors: `subscribe` and override `on_messages`; `publisher`, and offer to that.

    A message is settled when `on_messages` has returned, or by whoever overrides `on_delivery`; until then its publisher has it.

    Attributes:
        window: messages of one topic actor that may be here and not settled.
    """

    window: ClassVar[int] = 256

    name: str

    def begin(self, clock: Clock) -> None:
        """To be called once, before anything else."""
        self._clock = clock
        self.desk = StreamDesk(self, clock)
        self._inboxes: list[_Inbox] = []
        self._publishers: list[tuple[Any, Publisher]] = []
        self._saying = False

    # -- what the actor is to do ---------------------------------------------------------------------------------------

    def send(self, target: Any, message: Any) -> Any:
        """As of `rt_edge.actors.routers.members.Surroundings`."""
        raise NotImplementedError

    def now(self) -> float:
        """Monotonic time."""
        return self._clock.monotonic()

    def after(self, seconds: float, function: Callable[..., object], *args: object) -> Any:
        """Call later; returns what cancels it."""
        raise NotImplementedError

    def key(self, address: Any) -> Hashable:
        """The same for the same actor."""
        raise NotImplementedError

    def failed(self, what: str, error: Exception) -> None:
        """Code of the user has raised."""
        raise NotImplementedError

    # -- subscribing ---------------------------------------------------------------------------------------------------

    def subscribe(
        self, at: Any, topics: str, group: str = "", overflow: str = "backpressure", relay: bool = False, name: str = ""
    ) -> None:
        """Want these topics of a topic actor. A `name` is for one subscriber at a time, in all its lives: a durable end knows it
        by that, and it can be required to be there."""
        inbox = self._inbox(at)
        if inbox is None:
            inbox = _Inbox(at)
            self._open(inbox)
            self._inboxes.append(inbox)
            self._say_again_later()
        message = SubscribeTopic(topics, inbox.life, group, overflow, relay, name)
        inbox.wanted.setdefault((topics, group), message)
        try:
            self.send(at, message)
        except BufferOverflow:  # many at once: it is said again, together with the others
            log.debug("%s: %s waits until what is wanted is said again", self.name, topics)

    def unsubscribe(self, at: Any, topics: str = "", group: str = "") -> None:
        """Want these no more; without topics: none. What has come and is not settled keeps the outcome that it gets here."""
        inbox = self._inbox(at)
        if inbox is not None:
            if topics:
                inbox.wanted.pop((topics, group), None)
            else:
                inbox.wanted.clear()
            inbox.leaving = not inbox.wanted
            if not inbox.leaving:
                self.send(at, UnsubscribeTopic(inbox.life, topics, group))
            elif self.desk.is_gone(at):
                self._drop(inbox)
            else:
                self.send(at, UnsubscribeTopic(inbox.life))

    def on_delivery(self, chunk: Chunk) -> None:
        """Messages of one publisher, in order, with their receipt: settle, drop or fail them, now or later, all or a part.

        Whoever raises here fails what is open; the publisher publishes it again.
        """
        self.on_messages(list(chunk.items))
        chunk.settle()

    def on_messages(self, messages: list[Message]) -> None:
        """What was published, in order; it is settled when this returns."""
        raise NotImplementedError

    def _intake(self, at: Any, life: str, post: Any) -> Blueprint:
        return into_subscriber(life, post, self._deliver, self.window)

    def _deliver(self, chunk: Chunk) -> None:
        try:
            self.on_delivery(chunk)
        except Exception as error:  # noqa: BLE001 - as in receiveMessage: nothing may reach Thespian
            chunk.fail(error)
            self.failed("messages of a topic", error)

    def _open(self, inbox: _Inbox) -> None:
        life = inbox.life
        post = self.desk.wire(life, inbox.at, producing=False)
        self.desk.run(life, self._intake(inbox.at, life, post), lambda error: self._intake_ended(inbox, life, error))

    def _intake_ended(self, inbox: _Inbox, life: str, error: BaseException | None) -> None:
        if inbox not in self._inboxes or inbox.life != life:
            return
        if inbox.leaving:
            self._inboxes.remove(inbox)
            return
        log.warning("%s gets nothing from %s for %g s: %s", self.name, inbox.at, AGAIN_S, error or "the stream has ended")
        inbox.life = uuid4().hex  # said the next time
        self.after(AGAIN_S, self._open_again, inbox)

    def _open_again(self, inbox: _Inbox) -> None:
        if inbox in self._inboxes and not self.desk.runs(inbox.life):
            self._open(inbox)

    def _drop(self, inbox: _Inbox) -> None:
        """Nobody hears any more what becomes of what has come."""
        self._inboxes.remove(inbox)
        self.desk.stop(inbox.life)

    def on_SubscribeAck(self, message: SubscribeAck, sender: Any) -> None:
        """The subscription is there, or cannot be; or it is over."""
        if message.error:
            log.error("%s could not subscribe: %s", self.name, message.error)
        inbox = next((inbox for inbox in self._inboxes if inbox.life == message.life), None)
        if inbox is None:
            return
        if inbox.leaving:
            if message.over:
                self._drop(inbox)
            return
        for topics, group in message.surplus:
            if (topics, group) not in inbox.wanted:  # it was said, and was lost
                self.send(inbox.at, UnsubscribeTopic(inbox.life, topics, group))

    def _inbox(self, at: Any) -> _Inbox | None:
        return next((inbox for inbox in self._inboxes if inbox.at == at and not inbox.leaving), None)

    # -- publishing ----------------------------------------------------------------------------------------------------

    def publisher(self, at: Any, name: str = "", window: int = WINDOW, attempts: int = ATTEMPTS) -> TopicPublisher:
        """Publish at a topic actor with receipts: a message is kept here until its subscribers have settled it.

        Args:
            at: the topic actor.
            name: what the messages are known by at a durable end: the same in all lives of the publisher, and of one at a time.
                Default: that of the actor, with -2, -3 for further ones, in the order in which they come.
            window: messages that may be offered and have no outcome.
            attempts: times that a message may fail before its outcome is that.

        Raises:
            ConfigError: there is one of that name, or there are too many streams.
        """
        taken = {each.name for _, each in self._publishers if not each.ended}
        if name in taken:
            raise ConfigError(f"{self.name} publishes as {name} already", "a name is for one publisher at a time")
        if not name:
            name = next(each for n in count(1) if (each := self.name if n == 1 else f"{self.name}-{n}") not in taken)
        publisher = TopicPublisher(self.desk, at, name, window, attempts, self.failed)
        self._publishers.append((at, publisher))
        self.send(at, OpenPublisher(publisher.wire))
        self._say_again_later()
        return publisher

    def on_PublisherAck(self, message: PublisherAck, sender: Any) -> None:
        """It is heard, or cannot be."""
        if message.error:
            log.error("%s cannot publish: %s", self.name, message.error)

    # -- both ----------------------------------------------------------------------------------------------------------

    def moved(self, old: Any, new: Any) -> None:
        """The topic actor `old` has ended, and `new` is in its place: what it had not settled is published there again."""
        self.desk.moved(old, new)
        there = self._inbox(new)
        for inbox in [inbox for inbox in self._inboxes if inbox.at == old]:
            inbox.at = new
            if inbox.leaving or there is not None:
                self._drop(inbox)
            if there is not None:
                there.wanted = inbox.wanted | there.wanted
        self._publishers = [(new if at == old else at, publisher) for at, publisher in self._publishers]
        self._say(new)

    def on_topic_gone(self, at: Any) -> None:
        """A topic actor is dead; what is not settled waits here, for `moved`."""
        log.warning("%s: the topic actor %s is gone", self.name, at)

    def _say(self, to: Any | None = None) -> None:
        self._publishers = [(at, publisher) for at, publisher in self._publishers if not publisher.ended]
        for at, publisher in self._publishers:
            if (to is None or at == to) and not self.desk.is_gone(at):
                self.send(at, OpenPublisher(publisher.wire))
        for inbox in self._inboxes:
            if (to is None or inbox.at == to) and not self.desk.is_gone(inbox.at):
                self.send(inbox.at, inbox.whole())

    def _say_again_later(self) -> None:
        if not self._saying:
            self._saying = True
            self.after(AGAIN_S, self._say_again)

    def _say_again(self) -> None:
        self._saying = False
        if self._publishers or self._inboxes:
            self._say_again_later()  # first: there may be no room for what is said
        self._say()

    def on_Signals(self, message: Signals, sender: Any) -> None:
        """What ends of wires have to say."""
        self.desk.receive(sender, message)

    def on_SendFailed(self, message: SendFailed, sender: Any) -> None:
        """A topic actor may be dead. What was only lost is said again by the wires."""
        if message.dead:
            wires = self.desk.gone(sender)
            for inbox in [inbox for inbox in self._inboxes if inbox.leaving and inbox.at == sender]:
                self._drop(inbox)
            if wires:
                self.on_topic_gone(sender)

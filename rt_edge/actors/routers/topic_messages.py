"""Messages of topic actors. Delivery is at least once and in any order: what must not be lost is said again."""

from __future__ import annotations

import msgspec
from thespian.actors import ActorAddress

from rt_edge.actors.transport.serializer import register_message
from rt_edge.streams.pubsub.broker import Message

register_message(Message)


@register_message
class Publish(msgspec.Struct, frozen=True):
    """To a topic actor. Answered by `Published` if it has an operation.

    Attributes:
        messages: what is published, in order: many in one message cost little more than one.
        operation: makes a repetition known as such; empty: at most as often as it is sent.
    """

    messages: tuple[Message, ...]
    operation: str = ""


@register_message
class Published(msgspec.Struct, frozen=True):
    """Answer to `Publish`.

    Attributes:
        operation: of the question.
        taken: how many messages were taken; for the rest a subscriber has no room, and the publisher tries again later.
        error: empty, or what was wrong.
    """

    operation: str
    taken: int
    error: str = ""


@register_message
class SubscribeTopic(msgspec.Struct, frozen=True):
    """To a topic actor: the sender wants these topics. Answered by `SubscribeAck`. One subscriber may have many filters.

    Attributes:
        topics: a filter with wildcards.
        group: one member of each group gets a message.
        life: of the subscriber; another one ends what the one before had.
        overflow: as of `SlowConsumer`.
        relay: the sender is the topic actor of another node.
    """

    topics: str
    life: str
    group: str = ""
    overflow: str = "backpressure"
    relay: bool = False


@register_message
class SubscribeAck(msgspec.Struct, frozen=True):
    """Answer to `SubscribeTopic` and `UnsubscribeTopic`: the filters that the subscriber has now, or what is wrong."""

    life: str
    filters: tuple[tuple[str, str], ...]
    error: str = ""


@register_message
class UnsubscribeTopic(msgspec.Struct, frozen=True):
    """To a topic actor: these no more; without topics: nothing any more. Answered by `SubscribeAck`."""

    life: str
    topics: str = ""
    group: str = ""


@register_message
class Demand(msgspec.Struct, frozen=True):
    """To a topic actor: how much the sender can take.

    Attributes:
        life: of the subscriber.
        total: messages asked for since its begin, a sum: repetitions and old ones do no harm.
    """

    life: str
    total: int


@register_message
class Delivered(msgspec.Struct, frozen=True):
    """To a subscriber: what there is for it, of all its filters, as one message.

    Attributes:
        life: of the subscriber.
        first: number of the first message, counted from 0 in this life.
        messages: in order.
    """

    life: str
    first: int
    messages: tuple[Message, ...]


@register_message
class GetTopics(msgspec.Struct, frozen=True):
    """To a topic actor. Answered by `Topics`."""

    number: int = 0


@register_message
class Topics(msgspec.Struct, frozen=True):
    """Answer to `GetTopics`: topics of which a message is retained, and counters."""

    number: int
    topics: tuple[str, ...]
    counters: dict[str, int]


@register_message
class CountSubscribers(msgspec.Struct, frozen=True):
    """To a topic actor. Answered by `Subscribers`."""

    topic: str


@register_message
class Subscribers(msgspec.Struct, frozen=True):
    """Answer to `CountSubscribers`: subscribers and groups that get what is published under the topic."""

    topic: str
    count: int


@register_message
class JoinPeer(msgspec.Struct, frozen=True):
    """To a topic actor: be a subscriber of the one of another node, for all of this node: one message a node.

    Attributes:
        address: of the other one.
        topics: what is wanted from there.
    """

    address: ActorAddress
    topics: str = "#"

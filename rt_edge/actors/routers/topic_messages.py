"""Messages of topic actors. Delivery is at least once and in any order: what must not be lost is said again.

What is published and delivered with receipts goes as signals of wires (`rt_edge.protocol.signals`), in `Signals`: demand is
`Request`, a batch of messages `OnNext`, and outcomes `Settled`, numbered without gaps and said until they are confirmed.
"""

from __future__ import annotations

import msgspec
from thespian.actors import ActorAddress

from rt_edge.actors.transport.serializer import register_message
from rt_edge.streams.pubsub.message import Message

register_message(Message)


@register_message
class Publish(msgspec.Struct, frozen=True):
    """To a topic actor: without receipts, what is taken is volatile. Answered by `Published` if it has an operation.

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
class OpenPublisher(msgspec.Struct, frozen=True):
    """To a topic actor: publish what comes over this wire, whose other end is the sender. Answered by `PublisherAck`.

    Attributes:
        wire: name of the wire; what stands before a `>` in it is for people.
    """

    wire: str


@register_message
class PublisherAck(msgspec.Struct, frozen=True):
    """Answer to `OpenPublisher`; an empty error means that it is done."""

    wire: str
    error: str = ""


@register_message
class SubscribeTopic(msgspec.Struct, frozen=True):
    """To a topic actor: the sender wants these topics. Answered by `SubscribeAck`. One subscriber may have many filters.

    Attributes:
        topics: a filter with wildcards.
        group: one member of each group gets a message.
        life: of the subscriber, and the name of the wire over which messages come; another one ends what the one before had.
        overflow: as of `SlowConsumer`.
        relay: the sender is the topic actor of another node.
        name: of the subscriber in all its lives; who comes under it takes the place of the one before. A durable end knows what
            it gets by that (`origin/name-1`). Empty: it has none.
        more: further filters, each with its group.
        whole: these are all that it wants: the answer says which others it has.
    """

    topics: str
    life: str
    group: str = ""
    overflow: str = "backpressure"
    relay: bool = False
    name: str = ""
    more: tuple[tuple[str, str], ...] = ()
    whole: bool = False


@register_message
class SubscribeAck(msgspec.Struct, frozen=True):
    """Answer to `SubscribeTopic` and `UnsubscribeTopic`.

    Attributes:
        life: of the question.
        surplus: filters with their groups that the subscriber has, though it has said what all is that it wants.
        error: empty, or why it is not done.
        over: there is no stream of this life, and will be none.
    """

    life: str
    surplus: tuple[tuple[str, str], ...] = ()
    error: str = ""
    over: bool = False


@register_message
class UnsubscribeTopic(msgspec.Struct, frozen=True):
    """To a topic actor: these no more; without topics: nothing any more, and this life does not begin again.

    Answered by `SubscribeAck`.
    """

    life: str
    topics: str = ""
    group: str = ""


@register_message
class RequireSubscribers(msgspec.Struct, frozen=True):
    """To a topic actor: while one of these is not there, take nothing from publishers.

    So what is published waits for a subscriber that is started again, and a topic actor that is in the place of a dead one waits
    until they have subscribed anew.

    Attributes:
        names: of subscribers (`SubscribeTopic.name`), or `group ` and the name of a group: then one member has to be there.
    """

    names: tuple[str, ...]


@register_message
class GetTopics(msgspec.Struct, frozen=True):
    """To a topic actor. Answered by `Topics`."""

    number: int = 0


@register_message
class Topics(msgspec.Struct, frozen=True):
    """Answer to `GetTopics`.

    Attributes:
        number: of the question.
        topics: of which a message is retained.
        counters: of the broker and of the actor.
        missing: who is required and not there (`RequireSubscribers`): nothing is taken from publishers meanwhile.
    """

    number: int
    topics: tuple[str, ...]
    counters: dict[str, int]
    missing: tuple[str, ...] = ()


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
        name: what this node is known by there in all its lives, as of `SubscribeTopic`.
    """

    address: ActorAddress
    topics: str = "#"
    name: str = ""

"""Messages that join a stream to a router actor; what flows then are the signals of wires (`rt_edge.protocol.signals`)."""

from __future__ import annotations

import msgspec
from thespian.actors import ActorAddress

from rt_edge.actors.transport.serializer import register_message
from rt_edge.data.reading import ClockState, Reading

# A stream's elements are what routees work on.
register_message(Reading)
register_message(ClockState)


@register_message
class OpenStream(msgspec.Struct, frozen=True):
    """To a stream router: work on what comes over a wire, and send the answers over another one. Answered by `StreamOpened`.

    Attributes:
        feed: name of the wire over which elements come; a stream is called by it.
        answers: name of the wire over which answers go; empty: elements are settled when they are worked on, and that is all.
        island: name of the island at the other ends of both.
        address: its actor.
        router: what that island calls this router in the plans of these wires.
    """

    feed: str
    answers: str
    island: str
    address: ActorAddress
    router: str


@register_message
class StreamOpened(msgspec.Struct, frozen=True):
    """Answer to `OpenStream`; an empty error means that it runs."""

    feed: str
    error: str = ""


@register_message
class CloseStream(msgspec.Struct, frozen=True):
    """To a stream router: end this stream; what is under way fails, and its origin emits it again elsewhere or later."""

    feed: str

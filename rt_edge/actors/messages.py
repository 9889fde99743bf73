"""Messages between the actors of a node that every actor understands."""

from __future__ import annotations

import msgspec

from rt_edge.actors.transport.serializer import register_message


@register_message
class Ping(msgspec.Struct, frozen=True):
    """Are you there? Answered by every actor with `Pong` of the same number."""

    number: int


@register_message
class Pong(msgspec.Struct, frozen=True):
    """Answer to `Ping`.

    Attributes:
        number: of the ping.
        loop: whether the actor has a second loop; if so, it answered too.
    """

    number: int
    loop: bool


@register_message
class HandlerFailed(msgspec.Struct, frozen=True):
    """A handler of an actor raised; told to its guardian.

    Attributes:
        actor: name of the actor.
        message: class name of the message that was handled.
        error: class and text of the exception.
        trace: the traceback, at most 8,000 characters.
        count: how often this error came with this message, so far.
    """

    actor: str
    message: str
    error: str
    trace: str
    count: int

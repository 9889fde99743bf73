"""Messages of taps: a look at any wire of a running node, for `rt-edge tap WIRE` and windows."""

from __future__ import annotations

import msgspec
from thespian.actors import ActorAddress

from rt_edge.actors.transport.serializer import register_message


@register_message
class Tap(msgspec.Struct, frozen=True):
    """To the guardian, which passes it on: what has passed a wire since the last look. Answered by `Tapped`.

    The first `Tap` of a name opens it; one that nobody looks through for `rt_edge.actors.island.taps.IDLE_S` is closed. The
    asker looks when it likes: the stream never waits for it.

    Attributes:
        number: of this question.
        member: `graph/telemetry`.
        wire: its name as `status` has it.
        tap: names the look; the asker's choice, such as its process id.
        most: elements kept between two looks, 1 to 1,024.
        close: the last look.
        asker: who is to be answered; empty: the sender.
    """

    number: int
    member: str
    wire: str
    tap: str
    most: int = 256
    close: bool = False
    asker: ActorAddress | None = None


class TappedElement(msgspec.Struct, frozen=True):
    """An element as it is shown.

    Attributes:
        reading: MessagePack of a `Reading`; empty for any other object.
        text: of any other object, what `repr` says, cut.
    """

    reading: bytes = b""
    text: str = ""


@register_message
class Tapped(msgspec.Struct, frozen=True):
    """Answer to `Tap`.

    Attributes:
        number: of the question.
        elements: MessagePack of a list of `TappedElement`, oldest first.
        passed: elements that passed since the tap was opened.
        dropped: of these, those that the tap forgot before anybody looked.
        error: why there is nothing to be seen; empty: there is.
    """

    number: int
    elements: bytes = b"\x90"
    passed: int = 0
    dropped: int = 0
    error: str = ""


def shown(body: bytes) -> list[TappedElement]:
    """The elements of an answer."""
    return msgspec.msgpack.decode(body, type=list[TappedElement])

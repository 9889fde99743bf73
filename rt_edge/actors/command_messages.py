"""Messages about single points of devices: reads and commands (design 10). Commands and outcomes travel as MessagePack inside."""

from __future__ import annotations

import msgspec
from thespian.actors import ActorAddress

from rt_edge.actors.transport.serializer import register_message


@register_message
class ReadPoint(msgspec.Struct, frozen=True, tag=True):
    """Anybody to guardian, guardian to the island of the adapter. Answered by `PointResult`.

    Attributes:
        number: of the asker's own, given back with the answer.
        node: whose point it is; empty: this node's.
        point: `plc/pump-1/setpoint`; to an island: as the adapter names it.
        key: given back in the outcome.
        adapter: to an island: its name.
        asker: to an island: who is answered.
    """

    number: int
    node: str
    point: str
    key: str = ""
    adapter: str = ""
    asker: ActorAddress | None = None


@register_message
class WritePoint(msgspec.Struct, frozen=True, tag=True):
    """As `ReadPoint`. Answered by `PointResult`; before, by a `PointProgress` for each state on the way if `progress` says so.

    Attributes:
        body: a `rt_edge.commands.command.Command`, whose `point` is not looked at: `point` is.
        wait: answer when the command has ended; else as soon as it is durable.
        progress: whether the asker wants every state.
        again: this asker has asked it before: what is said of it now is not logged another time.
        keyed: the key is the asker's own, so that the command may have been asked before, by others: who does not know it
            does not know that it was never sent. So with `again`.
    """

    number: int
    node: str
    point: str
    body: bytes
    wait: bool = True
    progress: bool = False
    adapter: str = ""
    asker: ActorAddress | None = None
    again: bool = False
    keyed: bool = False


@register_message
class TurnedAway(msgspec.Struct, frozen=True, tag=True):
    """Guardian, which has no disk, to some island: a command that comes to no adapter; log it, then answer its asker.

    Attributes:
        number, node, point: as they were asked.
        command: a `Command`.
        body: the `Outcome` that its asker is told.
        asker: who is answered.
    """

    number: int
    node: str
    point: str
    command: bytes
    body: bytes
    asker: ActorAddress


@register_message
class PointProgress(msgspec.Struct, frozen=True, tag=True):
    """An `Outcome` that is not the last."""

    number: int
    body: bytes


@register_message
class PointResult(msgspec.Struct, frozen=True, tag=True):
    """The `Outcome` that was asked for."""

    number: int
    body: bytes


def answer(number: int, outcome: object) -> PointResult:
    """The last word on a question."""
    return PointResult(number, msgspec.msgpack.encode(outcome))

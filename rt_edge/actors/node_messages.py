"""Messages between main process, guardian and islands. Plans and statuses travel as MessagePack inside."""

from __future__ import annotations

import msgspec
from thespian.actors import ActorAddress

from rt_edge.actors.transport.serializer import register_message

REFUSED = "REFUSED="
"""Report of an island to the main process (`Lifeline.report`): the node shall not start, and why."""


@register_message
class Begin(msgspec.Struct, frozen=True):
    """Main process to guardian: run this plan. Answered by `Begun`."""

    plan: bytes


@register_message
class Begun(msgspec.Struct, frozen=True):
    """Guardian to main process: the islands are being started."""

    islands: tuple[str, ...]


@register_message
class Launch(msgspec.Struct, frozen=True):
    """Guardian to island: this is you; `again`: an earlier life of it has ended."""

    island: str
    plan: bytes
    again: bool = False


@register_message
class Launched(msgspec.Struct, frozen=True):
    """Island to guardian: my members run, or could not be started (`error`)."""

    island: str
    pid: int
    error: str = ""


@register_message
class Peers(msgspec.Struct, frozen=True):
    """Guardian to island: where the islands are now.

    Attributes:
        addresses: island -> its actor.
        number: counts these messages; an island passes over one that is older than what it knows.
        fresh: the one that was started again, if one was.
    """

    addresses: dict[str, ActorAddress]
    number: int
    fresh: str = ""


@register_message
class Signals(msgspec.Struct, frozen=True):
    """Island to island: a batch of signals (`rt_edge.protocol.signals`)."""

    data: bytes

    def __str__(self) -> str:
        return f"Signals({len(self.data)} bytes)"


@register_message
class StopPhase(msgspec.Struct, frozen=True):
    """Guardian to island: end this part of your members; `phase` is one of `rt_edge.streams.shutdown.NAMES`."""

    phase: str
    seconds: float


@register_message
class PhaseDone(msgspec.Struct, frozen=True):
    """Island to guardian: that part has ended; `left`: elements that were not settled."""

    island: str
    phase: str
    left: int


@register_message
class StopNode(msgspec.Struct, frozen=True):
    """Main process to guardian: end everything in order. Answered by `NodeStopped`."""

    seconds: float


@register_message
class NodeStopped(msgspec.Struct, frozen=True):
    """Guardian to main process: all phases are over; `report`: one line a phase."""

    report: tuple[str, ...]


@register_message
class GetStatus(msgspec.Struct, frozen=True):
    """Anybody to guardian, guardian to islands. Answered by `Status`."""

    number: int = 0


@register_message
class Status(msgspec.Struct, frozen=True):
    """A `NodeStatus` (guardian) or `IslandStatus` (island) of `rt_edge.telemetry.status`, as MessagePack."""

    number: int
    body: bytes


@register_message
class Control(msgspec.Struct, frozen=True):
    """CLI and tests to guardian: do `action` (`cut-link`, `restore-link`) to `member`. Answered by `Controlled`."""

    action: str
    member: str


@register_message
class Controlled(msgspec.Struct, frozen=True):
    """Answer to `Control`: an empty error means done."""

    error: str = ""

"""A read or a command arrives at an island: to which member it goes, and what its asker is told."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from rt_edge.actors.command_messages import PointProgress, PointResult, ReadPoint, WritePoint, answer
from rt_edge.actors.island.adapter_member import AdapterMember
from rt_edge.actors.island.runtime import IslandRuntime
from rt_edge.commands.command import Command, Outcome

Reply = Callable[[PointProgress | PointResult], None]


def ask_member(runtime: IslandRuntime | None, ask: ReadPoint | WritePoint, reply: Reply) -> None:
    """Hand `ask` to its member. On the island's loop.

    Args:
        runtime: None while the island is being built.
        ask: routed by the guardian.
        reply: takes what the asker is told, on the loop.
    """
    member = runtime.members.get(f"adapter/{ask.adapter}") if runtime is not None else None
    if not isinstance(member, AdapterMember):
        reply(answer(ask.number, Outcome(ask.key if isinstance(ask, ReadPoint) else "", "failed", True, "not sent: starting")))
    elif isinstance(ask, ReadPoint):
        member.points.read(ask.point, ask.key, lambda outcome: reply(answer(ask.number, outcome)))
    else:
        command = msgspec.msgpack.decode(ask.body, type=Command)
        member.points.write(ask.point, command, teller(ask, reply))


def teller(ask: WritePoint, reply: Reply) -> Callable[[Outcome], None]:
    """What of a command's states its asker hears: the last one; the first durable one if it does not wait; or all."""
    answered = False

    def tell(outcome: Outcome) -> None:
        nonlocal answered
        if answered:
            return
        if outcome.final or not ask.wait:
            answered = True
            reply(answer(ask.number, outcome))
        elif ask.progress:
            reply(PointProgress(ask.number, msgspec.msgpack.encode(outcome)))

    return tell

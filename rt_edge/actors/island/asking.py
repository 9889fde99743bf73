"""A read or a command arrives at an island: to which member it goes, and what its asker is told."""

from __future__ import annotations

import msgspec

from rt_edge.actors.command_messages import ReadPoint, WritePoint, answer
from rt_edge.actors.island.adapter_member import AdapterMember
from rt_edge.actors.island.asking_words import Reply, teller
from rt_edge.actors.island.runtime import IslandRuntime
from rt_edge.actors.layout import INGRESS
from rt_edge.commands.command import Command, Outcome


def ask_member(runtime: IslandRuntime | None, ask: ReadPoint | WritePoint, reply: Reply) -> None:
    """Hand `ask` to its member. On the island's loop.

    Args:
        runtime: None while the island is being built.
        ask: routed by the guardian.
        reply: takes what the asker is told, on the loop.
    """
    members = runtime.members if runtime is not None else {}
    if ask.node and INGRESS in members:
        members[INGRESS].forward(ask, reply)
        return
    member = members.get(f"adapter/{ask.adapter}")
    if not isinstance(member, AdapterMember):
        reply(answer(ask.number, Outcome(ask.key if isinstance(ask, ReadPoint) else "", "failed", True, "not sent: starting")))
    elif isinstance(ask, ReadPoint):
        member.points.read(ask.point, ask.key, lambda outcome: reply(answer(ask.number, outcome)))
    else:
        command = msgspec.msgpack.decode(ask.body, type=Command)
        member.points.write(ask.point, command, teller(ask, reply))

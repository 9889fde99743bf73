"""A read or a command arrives at an island: to which member it goes, and what its asker is told."""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec

from rt_edge.actors.command_messages import PointResult, ReadPoint, TurnedAway, WritePoint, answer
from rt_edge.actors.island.adapter_member import AdapterMember
from rt_edge.actors.island.asking_words import Reply, teller
from rt_edge.actors.island.runtime import IslandRuntime
from rt_edge.actors.layout import INGRESS
from rt_edge.commands.command import Command, Outcome

log = logging.getLogger(__name__)


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
        outcome = Outcome(ask.key if isinstance(ask, ReadPoint) else "", "failed", True, "not sent: starting")
        said = answer(ask.number, outcome)
        if isinstance(ask, WritePoint) and not ask.again and runtime is not None:
            _log_it(runtime, f"{ask.adapter}/{ask.point}", "", ask.body, outcome, lambda: reply(said))
        else:
            reply(said)
    elif isinstance(ask, ReadPoint):
        member.points.read(ask.point, ask.key, lambda outcome: reply(answer(ask.number, outcome)))
    else:
        command = msgspec.msgpack.decode(ask.body, type=Command)
        member.points.write(ask.point, command, teller(ask, reply))


def turned_away(runtime: IslandRuntime | None, message: TurnedAway, reply: Reply) -> None:
    """Log a command that comes to no adapter, then answer. On the island's loop."""
    said = PointResult(message.number, message.body)
    if runtime is None:
        log.warning("a command to %s is not in the audit log: the island is starting", message.point[:200])
        reply(said)
        return
    outcome = msgspec.msgpack.decode(message.body, type=Outcome)
    _log_it(runtime, message.point, message.node, message.command, outcome, lambda: reply(said))


def _log_it(runtime: IslandRuntime, point: str, node: str, body: bytes, outcome: Outcome, then: Callable[[], None]) -> None:
    command = msgspec.msgpack.decode(body, type=Command)
    runtime.asks.ended(point, command, outcome, node, then)

"""To which member of the node a read or a command goes: the adapter of its point, or the ingress for points of other nodes."""

from __future__ import annotations

import msgspec

from rt_edge.actors.command_messages import ReadPoint, WritePoint
from rt_edge.actors.layout import INGRESS, lay_out
from rt_edge.commands.names import split_point
from rt_edge.data.errors import RefusedError
from rt_edge.settings.plan import NodePlan

Ask = ReadPoint | WritePoint


def route(plan: NodePlan, ask: Ask) -> tuple[str, str, Ask]:
    """Island and member that `ask` goes to, and what it is told.

    Raises:
        RefusedError: there is no such node, or no such adapter.
    """
    if ask.node not in ("", plan.node.id):
        member = INGRESS
        if plan.ingress is None:
            raise RefusedError(
                f"this is node {plan.node.id!r}, and no other nodes connect to it", f"ask the node {ask.node!r} itself"
            )
    elif not plan.adapters and plan.ingress is not None:
        hint = "name the node that has the point: rt-edge write NODE POINT VALUE, with --data of this one"
        raise RefusedError(f"this is node {plan.node.id!r}, which has no adapters", hint)
    else:
        adapter, point = split_point(ask.point, plan.adapters)
        member = f"adapter/{adapter}"
        ask = msgspec.structs.replace(ask, node="", adapter=adapter, point=point)
    for island, members in lay_out(plan).islands.items():
        if member in members:
            return island, member, ask
    raise RefusedError(f"no island has {member}")

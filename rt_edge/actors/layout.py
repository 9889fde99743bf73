"""Layout: which wires join the members of a node, and which islands they lie in.

A *member* is what can fail alone: `adapter/NAME`, `graph/NAME`, `uplink/NAME`, `store/NAME`, `ingress`. Each runs an engine
of its own; wires join members, inside an island by hand, between islands through actors.
"""

from __future__ import annotations

from typing import Any

import msgspec

from rt_edge.data.errors import ConfigError
from rt_edge.settings.plan import NodePlan
from rt_edge.streams.model import FROM, TO

INGRESS = "ingress"


class WirePlan(msgspec.Struct, frozen=True):
    """One wire between two members.

    Attributes:
        name: unique in the node: `adapter/plc>graph/telemetry.plc`.
        producer, consumer: the members.
        producer_island, consumer_island: the islands they are in.
        node: id of the graph node of kind `from` or `to` that stands for the wire in its graph.
        command: what its readings command, where they do: see `rt_edge.settings.command_ends`.
    """

    name: str
    producer: str
    consumer: str
    producer_island: str
    consumer_island: str
    node: str
    command: dict[str, Any] | None = None


class Layout(msgspec.Struct, frozen=True):
    """All wires of a node, and the members of each island."""

    islands: dict[str, tuple[str, ...]]
    wires: tuple[WirePlan, ...]

    def of_island(self, island: str) -> tuple[WirePlan, ...]:
        """The wires with an end in `island`."""
        return tuple(w for w in self.wires if island in (w.producer_island, w.consumer_island))

    def into(self, member: str) -> list[WirePlan]:
        """The wires that `member` consumes, in order."""
        return [w for w in self.wires if w.consumer == member]

    def out_of(self, member: str) -> list[WirePlan]:
        """The wires that `member` produces, in order."""
        return [w for w in self.wires if w.producer == member]


def lay_out(plan: NodePlan) -> Layout:
    """The layout of `plan`.

    Raises:
        ConfigError: a graph refers to something that is not in the plan (validation finds this earlier, with its line).
    """
    islands = _with_stores(plan, plan.islands or _default_islands(plan))
    where = {member: island for island, members in islands.items() for member in members}
    wires = []
    for graph_name, graph in plan.graphs.items():
        me = f"graph/{graph_name}"
        for node in graph.nodes:
            if node.kind not in (FROM, TO):
                continue
            other = _member(plan, node.kind, str(node.properties.get("name", "")))
            here = f"{me}.{node.id}"
            if node.kind == FROM:
                wires.append(WirePlan(f"{other}>{here}", other, me, where[other], where[me], node.id))
            else:
                command = {**node.properties, "graph": graph_name} if "command" in node.properties else None
                wires.append(WirePlan(f"{here}>{other}", me, other, where[me], where[other], node.id, command))
    return Layout(islands, tuple(wires))


def _member(plan: NodePlan, kind: str, name: str) -> str:
    if name in plan.adapters:
        return f"adapter/{name}"
    if kind == TO and name in plan.uplinks:
        return f"uplink/{name}"
    if kind == TO and name in plan.stores:
        return f"store/{name}"
    raise ConfigError(f"a graph refers to {name!r}, which is not an adapter, uplink or store of this node", "see rt-edge check")


def _with_stores(plan: NodePlan, islands: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """`islands` with the stores that graphs write to: each an island of its own, or in the only one."""
    members = {f"store/{name}" for graph in plan.graphs.values() for name in graph.ends(TO) if name in plan.stores}
    missing = sorted(members - {member for each in islands.values() for member in each})
    if len(islands) == 1:
        (only,) = islands
        return {only: (*islands[only], *missing)}
    return {**islands, **{member.replace("/", "-"): (member,) for member in missing}}


def _default_islands(plan: NodePlan) -> dict[str, tuple[str, ...]]:
    members = [*(f"adapter/{n}" for n in plan.adapters), *(f"graph/{n}" for n in plan.graphs)]
    members += [f"uplink/{n}" for n in plan.uplinks]
    if plan.ingress is not None:
        members.append(INGRESS)
    return {member.replace("/", "-"): (member,) for member in members}

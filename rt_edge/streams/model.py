"""GraphModel: a graph as data. Configuration, graph manager and window share it; the catalogue makes stages of it.

Nodes have a kind and properties; wires join an outlet to an inlet, written `node.port`. Two kinds are not stages but the ends
of a graph: `from` (an adapter that reads) and `to` (an adapter that writes, an uplink or a store), with one property, `name`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec

from rt_edge.data.errors import ConfigError

FROM = "from"
"""Kind of a graph node that is a source: property `name` is an adapter."""

TO = "to"
"""Kind of a graph node that is a sink: property `name` is an uplink, a store or an adapter that writes."""

NODE_ID = re.compile(r"[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?\Z")
"""What a graph node may be called: a name without dots, since `node.port` has one."""


class Ports(NamedTuple):
    """Names of the ports of a graph node, in order."""

    inlets: tuple[str, ...]
    outlets: tuple[str, ...]


END_PORTS = {FROM: Ports((), ("out",)), TO: Ports(("in",), ())}


class PortRef(NamedTuple):
    """One end of a wire."""

    node: str
    port: str

    def __str__(self) -> str:
        return f"{self.node}.{self.port}"


def parse_port(text: str) -> PortRef:
    """`"clean.out"` -> its node and its port.

    Raises:
        ConfigError: not of the form `node.port`.
    """
    node, dot, port = text.partition(".")
    if not (dot and node and port) or "." in port:
        raise ConfigError(f"{text!r} does not name a port", "write node.port, like merge.in0 or filter.out")
    return PortRef(node, port)


class NodeModel(msgspec.Struct, frozen=True):
    """A graph node.

    Attributes:
        id: unique in its graph; see `NODE_ID`.
        kind: kind of a stage, `from` or `to`.
        properties: as written: plain values (text, numbers, lists, dicts), not yet checked against the kind.
        position: where the window draws it; never part of what runs.
    """

    id: str
    kind: str
    properties: dict[str, Any] = {}
    position: tuple[float, float] | None = None


class WireModel(msgspec.Struct, frozen=True):
    """A wire from an outlet to an inlet, each `node.port`."""

    source: str
    target: str

    def __str__(self) -> str:
        return f"{self.source} -> {self.target}"


class GraphProblem(NamedTuple):
    """What is wrong with a graph, and with which part of it (at most one of `node`, `wire` is set).

    Attributes:
        message: one sentence.
        hint: what to do.
        node: id of the graph node concerned.
        property: property of that node concerned.
        wire: index into `GraphModel.wires`.
    """

    message: str
    hint: str = ""
    node: str | None = None
    property: str | None = None
    wire: int | None = None


PortsOf = Callable[[NodeModel], Ports | None]
"""Ports of a graph node; None when its kind or its properties are wrong, which somebody else reports."""


class GraphModel(msgspec.Struct, frozen=True):
    """Graph nodes and the wires between them; immutable: an edit makes a new one."""

    nodes: tuple[NodeModel, ...] = ()
    wires: tuple[WireModel, ...] = ()

    def node(self, node_id: str) -> NodeModel:
        """The graph node called `node_id`.

        Raises:
            ConfigError: there is none.
        """
        for node in self.nodes:
            if node.id == node_id:
                return node
        raise ConfigError(f"the graph has no node {node_id!r}", nearest_hint(node_id, [n.id for n in self.nodes]))

    def ends(self, kind: str) -> tuple[str, ...]:
        """The names that nodes of kind `from` or `to` refer to, in order, each once."""
        return tuple(dict.fromkeys(str(n.properties.get("name", "")) for n in self.nodes if n.kind == kind))

    def validate(self, ports_of: PortsOf) -> list[GraphProblem]:
        """Every structural error: ids, unknown nodes and ports, ports wired twice or not at all. Cycles are the planner's."""
        problems = []
        ports: dict[str, Ports | None] = {}
        for node in self.nodes:
            if not NODE_ID.match(node.id):
                problems.append(GraphProblem(f"{node.id!r} is not an id", "small letters, digits, - and _; no dot", node.id))
            elif node.id in ports:
                problems.append(GraphProblem(f"two graph nodes are called {node.id!r}", "give one of them another id", node.id))
            ports[node.id] = END_PORTS.get(node.kind) or ports_of(node)
        used: dict[tuple[str, str, str], int] = {}
        for index, wire in enumerate(self.wires):
            problems += _wire_problems(index, wire, ports, used)
        for node_id, of_node in ports.items():
            problems += _unwired(node_id, of_node, used)
        return problems


def _wire_problems(
    index: int, wire: WireModel, ports: dict[str, Ports | None], used: dict[tuple[str, str, str], int]
) -> list[GraphProblem]:
    found = []
    for text, side in ((wire.source, "outlet"), (wire.target, "inlet")):
        try:
            node, port = parse_port(text)
        except ConfigError as error:
            found.append(GraphProblem(error.message, error.hint, wire=index))
            continue
        if node not in ports:
            found.append(GraphProblem(f"there is no graph node {node!r}", nearest_hint(node, ports), wire=index))
            continue
        of_node = ports[node]
        if of_node is None:
            used[node, side, port] = index
            continue
        names = of_node.outlets if side == "outlet" else of_node.inlets
        if port not in names:
            what = f"{node!r} has no {side} {port!r}" if names else f"{node!r} has no {side}s"
            found.append(GraphProblem(what, nearest_hint(port, names) if names else "", wire=index))
        elif (node, side, port) in used:
            remedy = "put a `broadcast` behind it" if side == "outlet" else "put a `merge` in front of it"
            found.append(GraphProblem(f"{side} {port!r} of {node!r} is wired twice", remedy, wire=index))
        used[node, side, port] = index
    return found


def _unwired(node: str, ports: Ports | None, used: dict[tuple[str, str, str], int]) -> list[GraphProblem]:
    if ports is None:
        return []
    sides = [("inlet", p) for p in ports.inlets] + [("outlet", p) for p in ports.outlets]
    hint = {"inlet": "wire something to it", "outlet": "wire it to something; `ignore` throws away what it gets"}
    return [
        GraphProblem(f"{side} {port!r} of {node!r} is not wired", hint[side], node)
        for side, port in sides
        if (node, side, port) not in used
    ]


MOST_NEAR = 3
"""Names that a hint offers instead of one, at most."""


def nearest_hint(name: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?` for a known name near to `name`, else the list of what is known (at most 12).

    Near is what differs in a letter or so, else what has more words behind it (`window` -> `window_messages`; three of them at
    most), else what is spelled alike.
    """
    import difflib  # only a mistake needs it, not a running node

    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.85)
    longer = [one for one in names if one.startswith(f"{name}_")]
    near = near or (longer if len(longer) <= MOST_NEAR else []) or difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(map(repr, near))}?"
    if not names:
        return ""
    shown = ", ".join(names[:12])
    return f"known: {shown}" + (f" and {len(names) - 12} more" if len(names) > 12 else "")

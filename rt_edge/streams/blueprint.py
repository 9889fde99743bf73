"""Blueprint: stages and how their ports are wired; immutable in use, run any number of times.

The DSL, the configuration (through `GraphModel` and the catalogue) and tests all make one; the planner checks it, the engine
runs it.
"""

from __future__ import annotations

from typing import NamedTuple

from rt_edge.data.errors import ConfigError
from rt_edge.streams.stage import Inlet, Outlet, Stage


class Edge(NamedTuple):
    """One wire: from the outlet of a node to the inlet of a node."""

    source: str
    outlet: Outlet
    target: str
    inlet: Inlet

    @property
    def name(self) -> str:
        """`node.port>node.port`."""
        return f"{self.source}.{self.outlet.name}>{self.target}.{self.inlet.name}"


class Blueprint:
    """Named stages and the edges between them."""

    def __init__(self) -> None:
        self.nodes: dict[str, Stage] = {}
        self.edges: list[Edge] = []

    def add(self, stage: Stage, name: str = "") -> str:
        """Add `stage` under `name`, or under its label with a number if that is taken; returns the name."""
        if name and name in self.nodes:
            raise ConfigError(f"two graph nodes are called {name!r}", "give one of them another id")
        base = name or stage.label
        unique, n = base, 2
        while unique in self.nodes:
            unique, n = f"{base}-{n}", n + 1
        self.nodes[unique] = stage
        return unique

    def connect(self, source: str, target: str, outlet: int = 0, inlet: int = 0) -> None:
        """Wire an outlet (by index) of `source` to an inlet (by index) of `target`."""
        out = self.nodes[source].outlets[outlet]
        into = self.nodes[target].inlets[inlet]
        self.edges.append(Edge(source, out, target, into))

    def absorb(self, other: Blueprint) -> dict[str, str]:
        """Copy all of `other` in, renaming where names clash; returns old name -> new name."""
        names = {old: self.add(stage, "" if old in self.nodes else old) for old, stage in other.nodes.items()}
        self.edges += [edge._replace(source=names[edge.source], target=names[edge.target]) for edge in other.edges]
        return names

    def problems(self) -> list[str]:
        """Every port that is not wired exactly once, in words; empty if the blueprint can run."""
        used: dict[tuple[str, str, str], int] = {}
        for edge in self.edges:
            for key in ((edge.source, "outlet", edge.outlet.name), (edge.target, "inlet", edge.inlet.name)):
                used[key] = used.get(key, 0) + 1
        found = []
        for name, stage in self.nodes.items():
            ports = [("inlet", p.name) for p in stage.inlets] + [("outlet", p.name) for p in stage.outlets]
            for side, port in ports:
                count = used.get((name, side, port), 0)
                if count != 1:
                    found.append(f"{side} {port!r} of {name!r} is {'not wired' if count == 0 else f'wired {count} times'}")
        return found

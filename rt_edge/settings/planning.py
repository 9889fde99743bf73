"""The planner's findings on a configuration, at the lines they belong to."""

from __future__ import annotations

from typing import NamedTuple

from rt_edge.sdk.source import DEFAULT_WINDOW
from rt_edge.settings.draft import Draft
from rt_edge.settings.plan import NodePlan
from rt_edge.settings.report import Report
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.model import END_PORTS, FROM, GraphModel, GraphProblem, parse_port
from rt_edge.streams.planner import Analysis, Source, analyse

SPOOL_WINDOW = 4000
"""Readings that an uplink asks for and has not made durable (`rt_edge.spool.sink.WINDOW`)."""


def check_graphs(plan: NodePlan, draft: Draft, report: Report) -> None:
    """A `Check` of `rt_edge.settings.load`: every graph through the planner."""
    for name, graph in plan.graphs.items():
        for finding in analyse_graph(graph, draft, draft.catalogue).findings:
            report.graph_error(name, GraphProblem(finding.message, finding.hint, finding.node))


class Bounds(NamedTuple):
    """Readings that a node can hold in memory at once, at most; None where there is no bound.

    Attributes:
        sources: windows of all adapters that are read.
        graphs: slots and holds of all graphs.
        uplinks: Readings that wait for a commit.
    """

    sources: int
    graphs: int | None
    uplinks: int

    @property
    def total(self) -> int | None:
        """The sum of all bounds."""
        return None if self.graphs is None else self.sources + self.graphs + self.uplinks


def bounds(plan: NodePlan, draft: Draft) -> Bounds:
    """The sum of all bounds of a valid configuration (design 5)."""
    analyses = [analyse_graph(graph, draft, draft.catalogue) for graph in plan.graphs.values()]
    read = {name for graph in plan.graphs.values() for name in graph.ends(FROM)}
    windows = [draft.adapters[name].capability.window or DEFAULT_WINDOW for name in read if name in draft.adapters]
    graphs = None if any(a.bound is None for a in analyses) else sum(a.bound or 0 for a in analyses)
    return Bounds(sum(windows), graphs, SPOOL_WINDOW * len(plan.uplinks))


def analyse_graph(graph: GraphModel, draft: Draft, catalogue: Catalogue) -> Analysis:
    """What the planner says of one graph of a valid configuration."""
    stages = {node.id: catalogue.stage(node) for node in graph.nodes if node.kind not in END_PORTS}
    sources = {}
    for node in graph.nodes:
        adapter = draft.adapters.get(str(node.properties.get("name", ""))) if node.kind == FROM else None
        if adapter is not None:
            capability = adapter.capability
            window = capability.window or DEFAULT_WINDOW
            sources[node.id] = Source(str(node.properties["name"]), window, capability.delivery == "redelivering")
    edges = [(parse_port(wire.source).node, parse_port(wire.target).node) for wire in graph.wires]
    return analyse(stages, sources, edges, [parse_port(wire.source).port for wire in graph.wires])

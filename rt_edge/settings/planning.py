"""The planner's findings on a configuration, at the lines they belong to."""

from __future__ import annotations

from rt_edge.settings.draft import Draft
from rt_edge.settings.plan import NodePlan
from rt_edge.settings.report import Report
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.model import END_PORTS, FROM, GraphModel, GraphProblem, parse_port
from rt_edge.streams.planner import Analysis, Source, analyse


def check_graphs(plan: NodePlan, draft: Draft, report: Report) -> None:
    """A `Check` of `rt_edge.settings.load`: every graph through the planner."""
    for name, graph in plan.graphs.items():
        for finding in analyse_graph(graph, draft, draft.catalogue).findings:
            report.graph_error(name, GraphProblem(finding.message, finding.hint, finding.node))


def analyse_graph(graph: GraphModel, draft: Draft, catalogue: Catalogue) -> Analysis:
    """What the planner says of one graph of a valid configuration."""
    stages = {node.id: catalogue.stage(node) for node in graph.nodes if node.kind not in END_PORTS}
    sources = {}
    for node in graph.nodes:
        adapter = draft.adapters.get(str(node.properties.get("name", ""))) if node.kind == FROM else None
        if adapter is not None:
            capability = adapter.capability
            sources[node.id] = Source(str(node.properties["name"]), capability.window, capability.delivery == "redelivering")
    edges = [(parse_port(wire.source).node, parse_port(wire.target).node) for wire in graph.wires]
    return analyse(stages, sources, edges)

"""The ends of wires in a member's blueprint, with the junctions that several of them need."""

from __future__ import annotations

from rt_edge.actors.island.post_office import PostOffice
from rt_edge.actors.layout import WirePlan
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.boundary.incoming import WireIn
from rt_edge.streams.boundary.outgoing import WireOut
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.model import NodeModel


def fan_out(blueprint: Blueprint, source: str, wires: list[WirePlan], office: PostOffice, catalogue: Catalogue) -> None:
    """Wire the outlet of `source` to every one of `wires`: through a broadcast if there are several."""
    if len(wires) > 1:
        junction = catalogue.stage(NodeModel("broadcast", "broadcast", {"count": len(wires)}))
        name = blueprint.add(junction, f"{source}-broadcast")
        blueprint.connect(source, name)
        source = name
    for index, wire in enumerate(wires):
        blueprint.connect(source, blueprint.add(wire_out(wire, office)), outlet=index)


def fan_in(blueprint: Blueprint, target: str, wires: list[WirePlan], office: PostOffice, catalogue: Catalogue) -> None:
    """Wire every one of `wires` to the inlet of `target`: through a merge if there are several."""
    if len(wires) > 1:
        junction = catalogue.stage(NodeModel("merge", "merge", {"count": len(wires)}))
        name = blueprint.add(junction, f"{target}-merge")
        blueprint.connect(name, target)
        target = name
    for index, wire in enumerate(wires):
        blueprint.connect(blueprint.add(wire_in(wire, office)), target, inlet=index)


def wire_in(wire: WirePlan, office: PostOffice) -> WireIn:
    """The consuming end."""
    return WireIn(wire=wire.name, post=office.end(wire.name, producing=False), outlives=True)


def wire_out(wire: WirePlan, office: PostOffice) -> WireOut:
    """The producing end."""
    return WireOut(wire=wire.name, post=office.end(wire.name, producing=True))

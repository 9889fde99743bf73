"""A member that is a processor graph."""

from __future__ import annotations

from random import Random

from rt_edge.actors.island.member import Member
from rt_edge.actors.island.post_office import PostOffice
from rt_edge.actors.island.wiring import wire_in, wire_out
from rt_edge.actors.layout import Layout
from rt_edge.data.clock import Clock
from rt_edge.data.errors import ConfigError
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.model import FROM, TO, GraphModel, parse_port
from rt_edge.streams.stage import Inlet, Outlet


class GraphMember(Member):
    """One graph; its `from` and `to` nodes are ends of wires to adapters and uplinks."""

    def __init__(
        self, name: str, model: GraphModel, layout: Layout, office: PostOffice, catalogue: Catalogue, clock: Clock, random: Random
    ) -> None:
        super().__init__(f"graph/{name}", clock, random)
        self._model = model
        self._office = office
        self._catalogue = catalogue
        self._wires = {wire.node: wire for wire in [*layout.into(self.name), *layout.out_of(self.name)]}

    def build(self) -> Blueprint:
        """Stages from the catalogue; ends of wires under the ids of their graph nodes."""
        blueprint = Blueprint()
        for node in self._model.nodes:
            if node.kind == FROM:
                blueprint.add(wire_in(self._wires[node.id], self._office), node.id)
            elif node.kind == TO:
                blueprint.add(wire_out(self._wires[node.id], self._office), node.id)
            else:
                blueprint.add(self._catalogue.stage(node), node.id)
        for wire in self._model.wires:
            source, target = parse_port(wire.source), parse_port(wire.target)
            outlet = _index(blueprint.nodes[source.node].outlets, source.port)
            inlet = _index(blueprint.nodes[target.node].inlets, target.port)
            blueprint.connect(source.node, target.node, outlet, inlet)
        return blueprint


def _index(ports: tuple[Inlet, ...] | tuple[Outlet, ...], name: str) -> int:
    for port in ports:
        if port.name == name:
            return port.index
    raise ConfigError(f"there is no port {name!r}", "ports: " + ", ".join(p.name for p in ports))

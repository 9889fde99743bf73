"""Goal: what an island knows of its node is what was said last. Method: the handler by itself, messages in any order."""

from __future__ import annotations

from types import SimpleNamespace

from thespian.actors import ActorAddress

from rt_edge.actors.island_actor import IslandActor
from rt_edge.actors.node_messages import Peers


def test_an_island_keeps_its_peers_when_an_older_message_comes_late_or_again() -> None:
    """Thespian delivers at least once and in any order: peers of an earlier moment take nobody away."""
    island = SimpleNamespace(_peers={}, _peers_number=0, _island="graph", _neighbours=None, _runtime=None)
    graph, source, moved, sink = (ActorAddress(name) for name in ("graph", "source", "moved", "sink"))
    first = Peers({"graph": graph, "source": source}, 1)
    second = Peers({"graph": graph, "source": source, "sink": sink}, 2, "sink")
    third = Peers({"graph": graph, "source": moved, "sink": sink}, 3, "source")
    for message in (second, first, second):
        IslandActor.on_Peers(island, message, graph)
        assert island._peers == second.addresses
    for message in (third, first, second, third):
        IslandActor.on_Peers(island, message, graph)
        assert island._peers == third.addresses

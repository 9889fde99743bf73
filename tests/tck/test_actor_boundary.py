"""Streams between two island actors as processes keep the rules: in one actor system, and from one actor system to another."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import product
from typing import ClassVar, NamedTuple

import msgspec
import pytest

from rt_edge.actors.node_messages import GetStatus, Launch, Peers, Status
from rt_edge.actors.system import NodeSystem, start_node
from rt_edge.actors.transport.node_transport import NodeTransport
from rt_edge.settings.plan import NodeInfo, NodePlan, encode_plan
from rt_edge.telemetry.status import IslandStatus
from rt_edge.testkit.node_process import wait_until
from tests.tck.island_cast import KIT, OTHER, KitIsland, OtherIsland, Play, Played

START_S, PLAY_S = 20.0, 300.0

pytestmark = pytest.mark.timeout(400)


class ThespianWire(NodeTransport):
    """The transport of a node, without the direct way between islands: that is for islands of one guardian."""

    direct: ClassVar[bool] = False


class Way(NamedTuple):
    """Attributes: transport: of the islands. nodes: actor systems. quiet: seconds until all that was said has come."""

    transport: type[NodeTransport]
    nodes: int
    quiet: float


WAYS = {"one node": Way(NodeTransport, 1, 0.05), "two nodes": Way(ThespianWire, 2, 0.1)}
ROLES = ("ActorPublisher", "ActorProcessor", "ActorProcessorFromOutside", "ActorSubscriber")
EACH_ONCE = [
    ("one node", "ActorPublisher"),
    ("one node", "ActorSubscriber"),
    ("two nodes", "ActorProcessor"),
    ("two nodes", "ActorProcessorFromOutside"),
]
"""Each role once and each way with both directions, in half the time; with `RT_EDGE_CAMPAIGN=1` all roles go both ways."""
CASES = list(product(WAYS, ROLES)) if os.environ.get("RT_EDGE_CAMPAIGN") == "1" else EACH_ONCE


def is_running(node: NodeSystem, actor: object) -> bool:
    return msgspec.msgpack.decode(node.ask(actor, GetStatus(), START_S, Status).body, type=IslandStatus).state == "running"


@pytest.fixture(scope="module")
def kit(request: pytest.FixtureRequest) -> Iterator[tuple[NodeSystem, object, float]]:
    """Two island actors that know each other; the one in which the kit runs."""
    way = WAYS[request.param]
    with ExitStack() as stack:
        here, *others = [stack.enter_context(start_node(transport=way.transport)) for _ in range(way.nodes)]
        there = others[0] if others else here
        homes = {KIT: (here, here.create(KitIsland)), OTHER: (there, there.create(OtherIsland))}
        plan = encode_plan(NodePlan(NodeInfo("test", "."), {}, {}, {}))
        for name, (node, actor) in homes.items():
            node.tell(actor, Launch(name, plan))
        for node, actor in homes.values():
            wait_until(lambda node=node, actor=actor: is_running(node, actor), START_S, "the islands run")
        for node, actor in homes.values():
            node.tell(actor, Peers({name: address for name, (_, address) in homes.items()}, 1))
        yield *homes[KIT], way.quiet


@pytest.mark.parametrize(("kit", "name"), CASES, indirect=["kit"])
def test_kit_passes_when_the_stream_crosses_from_actor_to_actor(kit: tuple[NodeSystem, object, float], name: str) -> None:
    """Every test of the kit that its knobs allow, optional ones too, with real processes and real time."""
    node, actor, quiet = kit
    played = node.ask(actor, Play(name, quiet), PLAY_S, Played)
    assert played.bad == []
    assert played.tests >= 20

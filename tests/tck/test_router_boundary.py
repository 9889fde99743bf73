"""A router actor is a processor by the rules: fed by a stream from another process, its routees' answers a stream to there."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from rt_edge.actors.node_messages import Launch, Peers
from rt_edge.actors.system import NodeSystem, start_node
from rt_edge.settings.plan import NodeInfo, NodePlan, encode_plan
from rt_edge.testkit.node_process import wait_until
from tests.tck.island_cast import KIT, OTHER, KitIsland, Play, Played
from tests.tck.router_cast import KitBroadcast, KitByKey, KitRouter
from tests.tck.test_actor_boundary import START_S, ThespianWire, is_running

CAMPAIGN = os.environ.get("RT_EDGE_CAMPAIGN") == "1"
PLAY_S = 120.0
QUIET_S = 0.1 if CAMPAIGN else 0.03
"""Until all that was said has come."""


ROUTERS = (KitRouter, KitBroadcast, KitByKey) if CAMPAIGN else (KitRouter,)


@pytest.fixture(scope="module", params=ROUTERS)
def kit(request: pytest.FixtureRequest) -> Iterator[tuple[NodeSystem, object]]:
    """The island in which the kit runs; it knows the router as the other one."""
    with start_node(transport=ThespianWire) as node:
        island, router = node.create(KitIsland), node.create(request.param)
        node.tell(island, Launch(KIT, encode_plan(NodePlan(NodeInfo("test", "."), {}, {}, {}))))
        wait_until(lambda: is_running(node, island), START_S, "the island runs")
        node.tell(island, Peers({KIT: island, OTHER: router}, 1))
        yield node, island


@pytest.mark.parametrize("name", ["ActorProcessor", "ActorSubscriber"] if CAMPAIGN else ["ActorProcessor"])
def test_kit_passes_when_a_router_actor_is_what_it_streams_through(kit: tuple[NodeSystem, object], name: str) -> None:
    """As processor, which has both sides: four processes, two of them routees, and every signal an actor message."""
    node, island = kit
    played = node.ask(island, Play(name, QUIET_S, 3 if CAMPAIGN else 1), PLAY_S, Played)
    assert played.bad == []
    assert played.tests >= 20

"""To which island a command goes, and what is said of one that goes to none."""

from __future__ import annotations

import pytest

from rt_edge.actors.command_messages import ReadPoint, WritePoint
from rt_edge.actors.command_routing import route
from rt_edge.data.errors import RefusedError
from rt_edge.sdk.address import Address
from rt_edge.settings.plan import AdapterPlan, IngressPlan, NodeInfo, NodePlan

EDGE = NodePlan(NodeInfo("edge-1", "d"), {"plc": AdapterPlan("modbus", {})}, islands={"adapter-plc": ("adapter/plc",)})
UP = NodePlan(NodeInfo("up-1", "d"), ingress=IngressPlan(Address("127.0.0.1", 1900), "main"), islands={"ingress": ("ingress",)})


@pytest.mark.parametrize("node", ["", "edge-1"])
def test_point_of_this_node_goes_to_its_adapter(node):
    """Named as the adapter names it; all else of the ask stays."""
    island, member, ask = route(EDGE, WritePoint(7, node, "plc.pump-1.speed", b"x", wait=False, progress=True, again=True))
    assert (island, member) == ("adapter-plc", "adapter/plc")
    assert ask == WritePoint(7, "", "pump-1.speed", b"x", wait=False, progress=True, adapter="plc", again=True)


def test_point_of_another_node_goes_to_the_ingress_as_it_is():
    """The edge knows its adapters."""
    ask = ReadPoint(7, "edge-1", "plc/pump-1/speed", "k")
    assert route(UP, ask) == ("ingress", "ingress", ask)


@pytest.mark.parametrize(
    ("plan", "node", "words"),
    [
        (EDGE, "edge-2", "this is node 'edge-1', and no other nodes connect to it (ask the node 'edge-2' itself)"),
        (EDGE, "", "there is no adapter 'pls' for the point 'pls/p' (did you mean 'plc'?)"),
        (UP, "", "this is node 'up-1', which has no adapters (name the node that has the point: rt-edge write NODE POINT"),
    ],
)
def test_point_that_nobody_has_is_refused(plan, node, words):
    """With what to do."""
    with pytest.raises(RefusedError) as raised:
        route(plan, ReadPoint(1, node, "pls/p"))
    assert str(raised.value).startswith(words)

"""Goal: a graph may end in a store of its own node, with the same promise. Method: a real node; its islands are killed while
readings flow; what the store has is compared with what the devices made."""

from __future__ import annotations

import os
import signal

import msgspec
import pytest

from rt_edge.actors.guardian import Guardian
from rt_edge.actors.node_messages import Begin, Begun, GetStatus, NodeStopped, Status, StopNode
from rt_edge.actors.system import start_node
from rt_edge.data.errors import RtEdgeError
from rt_edge.settings.plan import AdapterPlan, NodeInfo, NodePlan, StorePlan, encode_plan
from rt_edge.streams.model import GraphModel, NodeModel, WireModel
from rt_edge.telemetry.status import NodeStatus
from rt_edge.testkit.node_process import wait_until
from rt_edge.uplink.stores.query import Filter, StoreReader

DEVICES = 3


def plan(data):
    settings = {
        "devices": DEVICES,
        "every": 0.002,
        "seed": 1,
        "amplitude_celsius": 1.0,
        "period": 60.0,
        "points": {"%map": {}},
        "write_takes": 0.0,
    }
    adapter = AdapterPlan("simulated", settings)
    nodes = (NodeModel("m", "from", {"name": "m"}), NodeModel("s", "to", {"name": "main"}))
    graph = GraphModel(nodes, (WireModel("m.out", "s.in"),))
    stores = {"main": StorePlan("sqlite", str(data / "store" / "main.db"))}
    return NodePlan(NodeInfo("edge", str(data)), {"m": adapter}, {"t": graph}, stores=stores)


def islands(node, guardian):
    answer = node.ask(guardian, GetStatus(), 5, Status)
    return {i.name: i for i in msgspec.msgpack.decode(answer.body, type=NodeStatus).islands}


def counts(data):
    found = {}
    path = data / "store" / "main.db"
    try:
        with StoreReader(path) as reader:
            for row in reader.rows(Filter()):
                if row.reading is not None:
                    found.setdefault(row.reading.source, []).append(row.reading.fields["count"])
    except RtEdgeError:
        return {}  # the store is being made
    return found


@pytest.mark.parametrize("victim", ["store-main", "graph-t"])
def test_readings_are_stored_once_when_an_island_is_killed_again_and_again(tmp_path, victim):
    """kill -9 of the store's island or of the graph's: each device's counts are 0, 1, 2, ... without a gap or a double."""
    with start_node() as node:
        guardian = node.create(Guardian)
        names = node.ask(guardian, Begin(encode_plan(plan(tmp_path))), 20, Begun).islands
        assert set(names) == {"adapter-m", "graph-t", "store-main"}
        for goal in (100, 300, 500):
            wait_until(lambda goal=goal: sum(map(len, counts(tmp_path).values())) >= goal, 40, f"{goal} stored")
            wait_until(lambda: islands(node, guardian)[victim].pid, 20, "the island runs")
            os.kill(islands(node, guardian)[victim].pid, signal.SIGKILL)
        wait_until(lambda: sum(map(len, counts(tmp_path).values())) >= 900, 40, "900 stored")
        node.ask(guardian, StopNode(3.0), 30, NodeStopped)
    found = counts(tmp_path)
    assert len(found) == DEVICES
    for device, values in found.items():
        assert sorted(values) == list(range(len(values))), f"{device}: {values}"

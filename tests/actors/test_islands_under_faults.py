"""Goal: islands are right whatever Thespian does to their messages. Method: a real node in processes, on a transport that
repeats, delays and so reorders, by seed; what the spool has at the end is compared with what the devices made."""

from __future__ import annotations

import msgspec
import pytest

from rt_edge.actors.guardian import Guardian
from rt_edge.actors.node_messages import Begin, Begun, GetStatus, NodeStopped, Status, StopNode
from rt_edge.actors.system import start_node
from rt_edge.data.clock import SystemClock
from rt_edge.data.codec import decode_readings
from rt_edge.data.record import RecordKind
from rt_edge.sdk.address import Address
from rt_edge.settings.plan import AdapterPlan, NodeInfo, NodePlan, SpoolPlan, UplinkPlan, encode_plan
from rt_edge.spool.spool import Spool
from rt_edge.streams.model import GraphModel, NodeModel, WireModel
from rt_edge.telemetry.status import NodeStatus
from rt_edge.testkit.faulty_transport import faulty
from rt_edge.testkit.node_process import wait_until

DEVICES = 4
READINGS = 30_000


def plan(data, islands=None):
    settings = {
        "devices": DEVICES,
        "every": 0.0,
        "seed": 1,
        "amplitude_celsius": 10.0,
        "period": 60.0,
        "points": {"%map": {}},
        "write_takes": 0.0,
    }
    adapter = AdapterPlan("simulated", settings)
    graph = GraphModel(
        (
            NodeModel("machine", "from", {"name": "machine"}),
            NodeModel("filter", "filter", {"where": "count >= 0"}),
            NodeModel("hq", "to", {"name": "hq"}),
        ),
        (WireModel("machine.out", "filter.in"), WireModel("filter.out", "hq.in")),
    )
    uplink = UplinkPlan((Address("127.0.0.1", 9),), SpoolPlan(8_000_000, "block", 0.02), 512_000)
    return NodePlan(NodeInfo("edge", str(data)), {"machine": adapter}, {"t": graph}, {"hq": uplink}, islands=islands or {})


def spooled(node, guardian):
    answer = node.ask(guardian, GetStatus(), 5, Status)
    status = msgspec.msgpack.decode(answer.body, type=NodeStatus)
    return sum(m.uplink.readings for i in status.islands for m in i.members if m.uplink is not None)


def counts(data):
    """Device -> its counts, in the order of the spool."""
    spool = Spool.open(data / "spool" / "hq.db", "edge", "hq", SystemClock(), 8_000_000)
    found: dict[str, list[int]] = {}
    try:
        for lane in spool.lanes():
            after = 0
            while records := spool.read(lane.id, after, 1_000_000):
                after = records[-1].last
                for record in records:
                    for reading in decode_readings(record.payload) if record.kind is RecordKind.DATA else ():
                        found.setdefault(reading.source, []).append(reading.fields["count"])
    finally:
        spool.close()
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_readings_are_spooled_once_and_in_order_when_messages_are_repeated_and_reordered(tmp_path, seed):
    """Islands on a transport that repeats a fifth and delays a third of all messages: each device's counts are 0, 1, 2, ..."""
    with start_node(transport=faulty(seed=seed)) as node:
        guardian = node.create(Guardian)
        node.ask(guardian, Begin(encode_plan(plan(tmp_path))), 20, Begun)
        wait_until(lambda: spooled(node, guardian) >= READINGS, 40, "readings are spooled")
        node.ask(guardian, StopNode(3.0), 30, NodeStopped)
    found = counts(tmp_path)
    assert len(found) == DEVICES
    for device, values in found.items():
        assert values == list(range(len(values))), f"{device}: {values[:50]}"
    assert sum(map(len, found.values())) >= READINGS


def test_readings_are_spooled_once_and_in_order_when_all_members_share_an_island(tmp_path):
    """`island: all`: the same members, the same wires, one process."""
    islands = {"all": ("adapter/machine", "graph/t", "uplink/hq")}
    with start_node() as node:
        guardian = node.create(Guardian)
        assert node.ask(guardian, Begin(encode_plan(plan(tmp_path, islands))), 20, Begun).islands == ("all",)
        wait_until(lambda: spooled(node, guardian) >= READINGS, 40, "readings are spooled")
        node.ask(guardian, StopNode(3.0), 30, NodeStopped)
    for device, values in counts(tmp_path).items():
        assert values == list(range(len(values))), device

"""Goal: the members of an island start and stop in order, and a stop loses nothing it had taken. Method: whole islands on one
asyncio loop, without actors; what the spool holds afterwards is compared with what the devices were told."""

from __future__ import annotations

import asyncio

from rt_edge.actors.island.runtime import IslandRuntime
from rt_edge.data.clock import SystemClock
from rt_edge.data.codec import decode_readings
from rt_edge.sdk.address import Address
from rt_edge.settings.plan import AdapterPlan, NodeInfo, NodePlan, SpoolPlan, UplinkPlan
from rt_edge.spool.spool import Spool
from rt_edge.streams.model import GraphModel, NodeModel, WireModel
from rt_edge.testkit.waiting import until

MEMBERS = ("adapter/sim", "graph/g", "uplink/hq")


class NoLinks:
    """There is no other node."""

    def listen(self, *arguments):
        raise AssertionError(arguments)

    def dial(self, address, tls, kinds, on_event):
        """Never answered."""

    def send(self, *arguments):
        raise AssertionError(arguments)

    def close(self, *arguments):
        raise AssertionError(arguments)


def plan(data, islands, extra=()):
    graph = GraphModel(
        (NodeModel("sim", "from", {"name": "sim"}), *extra, NodeModel("hq", "to", {"name": "hq"})),
        (WireModel("sim.out", "hq.in"),),
    )
    settings = {
        "devices": 2,
        "every": 0.0,
        "seed": 1,
        "amplitude_celsius": 10.0,
        "period": 60.0,
        "points": {"%map": {}},
        "write_takes": 0.0,
    }
    sim = AdapterPlan("simulated", settings)
    uplink = UplinkPlan((Address("127.0.0.1", 9),), SpoolPlan(64_000_000, "block", 0.02), 512_000)
    return NodePlan(NodeInfo("edge", str(data)), {"sim": sim}, {"g": graph}, {"hq": uplink}, islands=islands)


def counts(data):
    """Device -> its counts, in the order of the spool."""
    spool = Spool.open(data / "spool" / "hq.db", "edge", "hq", SystemClock(), 64_000_000)
    found: dict[str, list[int]] = {}
    try:
        (lane,) = spool.lanes()
        after = 0
        while records := spool.read(lane.id, after, 1_000_000):
            after = records[-1].last
            for record in records:
                for reading in decode_readings(record.payload):
                    found.setdefault(reading.source, []).append(reading.fields["count"])
    finally:
        spool.close()
    return found


def readings(runtime):
    uplink = runtime.members["uplink/hq"].status().uplink  # None while its spool is being opened
    return uplink.readings if uplink is not None else 0


def test_everything_that_was_taken_is_in_the_spool_when_one_island_stops_in_order(tmp_path):
    """Sources first, then graphs, then ends; nothing is left unsettled, counts have no holes."""

    async def run():
        batches = []
        runtime = IslandRuntime(
            plan(tmp_path, {"all": MEMBERS}), "all", lambda island, data: batches.append((island, data)) or False, NoLinks()
        )
        runtime.start()
        await until(lambda: readings(runtime) > 3000)
        emitted = []
        for phase in ("sources", "graphs", "spools", "uplinks"):
            assert await runtime.stop_phase(phase, 5.0) == 0
            emitted.append(runtime.members["adapter/sim"].status().nodes[0].emitted)
        assert len(set(emitted)) == 1, "the source went on after its phase"
        assert batches == []
        assert {m.state for m in runtime.members.values()} == {"stopped"}
        return emitted[0]

    emitted = asyncio.run(run())
    found = counts(tmp_path)
    assert sum(map(len, found.values())) == emitted
    for device in found.values():
        assert device == list(range(device[0], device[0] + len(device)))


class Post:
    """Two islands of one loop: batches are handed over later, some of them never, some twice."""

    def __init__(self):
        self.islands = {}
        self.sent = 0

    def dispatch_of(self, me):
        def dispatch(island, data):
            self.sent += 1
            loop = asyncio.get_running_loop()
            if self.sent % 7:
                loop.call_later(0.001, self.islands[island].office.receive, data)
            if not self.sent % 5:
                loop.call_later(0.002, self.islands[island].office.receive, data)
            loop.call_later(0.001, self.islands[me].office.sent, island)
            return False

        return dispatch


def test_nothing_is_lost_or_doubled_when_a_graph_between_islands_starts_again_and_again(tmp_path):
    """A graph fails under load three times; every seventh batch between the islands is lost, every fifth repeated."""

    async def run():
        post = Post()
        made = plan(tmp_path, {"one": ("adapter/sim",), "two": ("graph/g",), "three": ("uplink/hq",)})
        for name in ("three", "two", "one"):
            post.islands[name] = IslandRuntime(made, name, post.dispatch_of(name), NoLinks())
        graph = post.islands["two"].members["graph/g"]
        graph._backoff._first_s = graph._backoff._last_s = 0.02
        for runtime in post.islands.values():
            runtime.start()
        for turn in range(3):
            before = readings(post.islands["three"])
            await until(lambda: graph.state == "running" and readings(post.islands["three"]) > before + 1000)  # noqa: B023  # at once
            seat = graph.engine.seats["hq"]
            graph.engine.stop_logic(seat.logic, RuntimeError("a bug"), RuntimeError("a bug"))
            graph.engine.host.wake()
            await until(lambda: graph.restarts == turn + 1)  # noqa: B023  # at once
        before = readings(post.islands["three"])
        await until(lambda: readings(post.islands["three"]) > before + 1000)
        assert graph.restarts == 3
        assert post.islands["three"].members["uplink/hq"].restarts == 0
        for phase, name in (("sources", "one"), ("graphs", "two"), ("spools", "three"), ("uplinks", "three")):
            assert await post.islands[name].stop_phase(phase, 8.0) == 0
        return post.islands["one"].members["adapter/sim"].status().nodes[0]

    asyncio.run(run())
    found = counts(tmp_path)
    for device in found.values():
        assert sorted(device) == list(range(len(device)))
    assert not (tmp_path / "adapters" / "sim" / "dead-letters.jsonl").exists()

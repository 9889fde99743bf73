"""Taps of an island: opened by the first look, closed when nobody looks, what an answer has; at the end, in a real node."""

from __future__ import annotations

import functools

import msgspec
import pytest

from rt_edge.actors.guardian import Guardian
from rt_edge.actors.island import taps as island_taps
from rt_edge.actors.island.taps import IDLE_S, TAPS_MOST, Taps
from rt_edge.actors.node_messages import Begin, Begun, GetStatus, NodeStopped, Status, StopNode
from rt_edge.actors.system import start_node
from rt_edge.actors.tap_messages import Tap, Tapped, shown
from rt_edge.data.reading import Reading
from rt_edge.settings.plan import AdapterPlan, NodeInfo, NodePlan, StorePlan, encode_plan
from rt_edge.streams.model import GraphModel, NodeModel, WireModel
from rt_edge.streams.stages.map import Map
from rt_edge.telemetry.status import NodeStatus
from rt_edge.testkit.node_process import wait_until
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.simulated_time import SimulatedTime


class Member:
    def __init__(self, bench):
        self.engine = bench.engine


@pytest.fixture
def world():
    with StageBench(Map(lambda x: x)) as bench:
        bench.sink.request(10_000)
        time = SimulatedTime()
        taps = Taps({"graph/a": Member(bench)}, time, time.call_later)
        yield bench, time, taps, functools.partial(Tap, 1, "graph/a", bench.engine.wires[1].name)


def test_elements_come_with_the_looks_when_they_pass_in_between(world):
    """The first look opens it and has nothing; the next has what passed, Readings as such, other objects as text."""
    bench, _, taps, tap = world
    assert shown(taps.look(tap("me")).elements) == []
    reading = Reading("plc/pump", 1, {"p": 2.5})
    bench.source.send(reading, {"a": "x" * 2000})
    one, other = shown(taps.look(tap("me")).elements)
    assert msgspec.msgpack.decode(one.reading, type=Reading) == reading
    assert (other.reading, other.text) == (b"", repr({"a": "x" * 2000})[:1000])
    answer = taps.look(tap("me"))
    assert (shown(answer.elements), answer.passed, answer.dropped) == ([], 2, 0)


def test_what_was_forgotten_is_counted_when_looks_are_rare(world):
    """Of ten elements a tap of three has the last three, and says that seven are missing."""
    bench, _, taps, tap = world
    taps.look(tap("me", 3))
    bench.source.send(*range(10))
    answer = taps.look(tap("me", 3))
    assert [element.text for element in shown(answer.elements)] == ["7", "8", "9"]
    assert (answer.passed, answer.dropped) == (10, 7)


def test_tap_is_closed_when_nobody_looks_or_on_the_last_look(world):
    """After ten seconds, without another message; and at once where the asker says so."""
    bench, time, taps, tap = world
    taps.look(tap("one"))
    taps.look(tap("two"))
    time.run_until(IDLE_S * 0.7)
    taps.look(tap("two"))
    time.run_until(IDLE_S * 1.3)
    assert len(taps) == len(bench.engine.wires[1].taps) == 1
    taps.look(tap("two", close=True))
    assert len(taps) == len(bench.engine.wires[1].taps) == 0


def test_answer_is_bounded_when_elements_are_large(world, monkeypatch):
    """What does not fit stays for the next look."""
    bench, _, taps, tap = world
    monkeypatch.setattr(island_taps, "ANSWER_BYTES", 10_000)
    taps.look(tap("me"))
    bench.source.send(*(Reading("d", n, {"text": "x" * 1000}) for n in range(30)))
    sizes = [len(shown(taps.look(tap("me")).elements)) for _ in range(4)]
    assert sizes == [10, 10, 10, 0]


def test_look_says_why_when_there_is_nothing_to_see(world):
    """No such member, no such wire (with the names of those there are), too many taps."""
    bench, _, taps, tap = world
    assert "does not run here" in taps.look(Tap(1, "graph/b", "x", "me")).error
    assert bench.engine.wires[0].name in taps.look(Tap(1, "graph/a", "nonsense", "me")).error
    for n in range(TAPS_MOST // 2):
        taps.look(tap(str(n)))
        taps.look(Tap(1, "graph/a", bench.engine.wires[0].name, str(n)))
    assert f"{TAPS_MOST} taps" in taps.look(tap("one more")).error


def test_tap_begins_anew_when_its_member_was_started_again(world):
    """Another engine: the old tap is forgotten, not looked through."""
    bench, _, taps, tap = world
    taps.look(tap("me"))
    with StageBench(Map(lambda x: -x)) as fresh:
        fresh.sink.request(10)
        taps._members["graph/a"].engine = fresh.engine
        taps.look(tap("me"))
        fresh.source.send(1, 2)
        bench.source.send(7)
        assert [element.text for element in shown(taps.look(tap("me")).elements)] == ["-1", "-2"]


def test_wire_of_a_running_node_can_be_looked_at_by_message(tmp_path):
    """From outside, through guardian and island: readings of a graph that was built without a tap, while it goes on."""
    settings = {
        "devices": 2,
        "every": 0.01,
        "seed": 1,
        "amplitude_celsius": 1.0,
        "period": 60.0,
        "points": {"%map": {}},
        "write_takes": 0.0,
    }
    adapter = AdapterPlan("simulated", settings)
    nodes = (NodeModel("m", "from", {"name": "m"}), NodeModel("s", "to", {"name": "main"}))
    graph = GraphModel(nodes, (WireModel("m.out", "s.in"),))
    stores = {"main": StorePlan("sqlite", str(tmp_path / "main.db"))}
    plan = NodePlan(
        NodeInfo("edge", str(tmp_path)),
        {"m": adapter},
        {"t": graph},
        stores=stores,
        islands={"all": ("adapter/m", "graph/t", "store/main")},
    )
    with start_node() as node:
        guardian = node.create(Guardian)
        node.ask(guardian, Begin(encode_plan(plan)), 20, Begun)

        def wires():
            body = node.ask(guardian, GetStatus(), 5, Status).body
            members = [m for i in msgspec.msgpack.decode(body, type=NodeStatus).islands for m in i.members]
            return [w.name for m in members if m.name == "graph/t" for w in m.wires]

        wait_until(wires, 20, "the graph runs")
        (wire,) = wires()
        seen = []

        def look():
            answer = node.ask(guardian, Tap(len(seen), "graph/t", wire, "test"), 5, Tapped)
            assert not answer.error
            seen.extend(msgspec.msgpack.decode(e.reading, type=Reading) for e in shown(answer.elements))
            return len(seen) >= 20

        wait_until(look, 20, "twenty readings have passed")
        for source in {reading.source for reading in seen}:
            counts = [reading.fields["count"] for reading in seen if reading.source == source]
            assert counts == list(range(counts[0], counts[0] + len(counts)))
        assert "no running member" in node.ask(guardian, Tap(1, "graph/x", wire, "test"), 5, Tapped).error
        node.ask(guardian, StopNode(3.0), 20, NodeStopped)

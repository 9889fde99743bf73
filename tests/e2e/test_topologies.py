"""Goal: members can be put together in every way the configuration allows. Method: whole nodes, a real broker, Modbus slaves."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from itertools import pairwise

import pytest
from e2e_world import (
    BROKER_LINES,
    CLOCK,
    SIMULATED_EDGE,
    UP,
    adapter_open,
    assert_once,
    in_thread,
    more,
    publish,
    session_open,
    until,
)

from rt_edge.testkit.modbus_slave import RtuSlave, SlaveBank, SlaveUnit, TcpSlave, counter
from rt_edge.testkit.mosquitto import MosquittoProcess
from rt_edge.testkit.mqtt_broker import packets as p
from rt_edge.testkit.mqtt_client import RawClient
from rt_edge.testkit.node_process import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

MODBUS = """
node: {{id: hall-3, data: {data}}}
island: {island}
adapters:
  line:
    kind: modbus
    channel: {{serial: {serial}, baud: 115200, timeout: 100ms}}
    units:
      one: {{unit: 1, every: 100ms, points: {{polls: {{input: 0}}, level: {{holding: 0}}}}}}
      two: {{unit: 2, every: 100ms, points: {{polls: {{input: 0}}, level: {{holding: 0}}}}}}
      dead: {{unit: 3, every: 100ms, points: {{polls: {{input: 0}}}}}}
  meter:
    kind: modbus
    channel: {{tcp: "127.0.0.1:{tcp}"}}
    units:
      main: {{unit: 1, every: 50ms, points: {{polls: {{input: 0}}, level: {{holding: 0}}}}}}
graphs:
  both: [{{from: [line, meter]}}, {{to: hq}}]
uplinks:
  hq: {{peers: ["127.0.0.1:{ingress}"], spool: {{max: 64MB, when_full: block}}}}
"""


def unit() -> SlaveUnit:
    """A unit that counts its polls."""
    return SlaveUnit(holding=[7], input=[counter()])


@pytest.mark.parametrize("island", more(["each"], "all"))
def test_modbus_lines_reach_the_store_in_order_when_a_unit_is_dead_and_a_line_is_unplugged(world, island):
    """RTU on a pty and TCP in one graph: the dead unit delays nobody, an unplugged line comes back, a gap says so."""

    async def run() -> None:
        bank = SlaveBank({1: unit(), 2: unit(), 3: unit()})
        bank[3].dead = True
        up = world.node("up", UP)
        async with RtuSlave(bank, world.folder / "ttyUSB0") as line, TcpSlave(SlaveBank({1: unit()})) as meter:
            edge = world.node("edge", MODBUS, serial=line.path, tcp=meter.port, island=island)
            await in_thread(up.start)
            await in_thread(edge.start)

            def count(source: str) -> int:
                return sum(row.reading is not None and row.reading.source == source for row in world.rows())

            await until(lambda: count("line/one") >= 10 and count("meter/main") >= 20, 30, edge.log)
            line.unplug()
            before = count("meter/main")
            await until(lambda: count("meter/main") >= before + 10, 10, edge.log)
            line.replug()
            after = count("line/two")
            took = await until(lambda: count("line/two") >= after + 5, 20, edge.log)
            print(f"{island}: 5 readings of the line {took:.1f} s after it was plugged in again")
            assert await in_thread(edge.stop) == 0, edge.log()
            rows = [row.reading for row in world.rows() if row.reading is not None]
            for source in ("line/one", "line/two", "meter/main"):
                polls = [r.fields["polls"] for r in rows if r.source == source and "polls" in r.fields]
                assert polls == sorted(set(polls)), f"{source} is out of order or doubled"
                times = [r.ts for r in rows if r.source == source]
                assert times == sorted(times)
            assert not any("polls" in r.fields for r in rows if r.source == "line/dead")
            gaps = [row for row in world.rows() if row.kind == "gap"]
            assert any("line" in str(row.reading or row.gap) for row in gaps), Counter(row.kind for row in world.rows())
            pauses = [r.ts for r in rows if r.source == "meter/main"]
            assert max(b - a for a, b in pairwise(pauses)) < 1_500_000_000
            assert await in_thread(up.stop) == 0

    asyncio.run(run())


BRANCHES = """
node: {{id: hall-3, data: {data}}}
island: {island}
adapters:
  broker:
    kind: mqtt
    url: mqtt://127.0.0.1:{mqtt}
    {grouped}
    subscribe:
      - {{filter: "plant/+/telemetry", qos: 1, topic: "plant/{{line}}/telemetry", codec: json}}
  second:
    kind: mqtt
    url: mqtt://127.0.0.1:{mqtt}
    client_id: second
    {grouped}
    subscribe:
      - {{filter: "hall/+/telemetry", qos: 1, topic: "hall/{{line}}/telemetry", codec: json}}
    publish: {{topic: "copy/{{tags.line}}", qos: 1}}
graphs:
  fast:
    - from: [broker, second]
    - set: {{branch: 1}}
    - to: hq
  both:
    nodes:
      in: {{from: broker}}
      split: {{broadcast: {{count: 2}}}}
      three: {{set: {{branch: 3}}}}
      four: {{set: {{branch: 4}}}}
      join: {{merge: {{count: 2}}}}
      out: {{to: hq}}
    wires:
      - in -> split
      - split.out0 -> three -> join.in0
      - split.out1 -> four -> join.in1
      - join -> out
  slow:
    - from: broker
    - throttle: {{elements: 400, per: 1s}}
    - set: {{branch: 2}}
    - to: [hq, second]
uplinks:
  hq: {{peers: ["127.0.0.1:{ingress}"], spool: {{max: 64MB, when_full: block}}}}
"""


@pytest.mark.parametrize("island", more(["all", "grouped"], "each"))
def test_everything_arrives_once_a_branch_when_adapters_graphs_and_uplinks_are_joined_in_every_way(world, mosquitto_path, island):
    """Two adapters in one graph, one adapter in two graphs (one slow), two graphs in one uplink, source and sink in one."""

    async def run() -> None:
        up = world.node("up", UP)
        async with MosquittoProcess(mosquitto_path, world.folder / "broker", BROKER_LINES) as broker:
            grouped = "island: field" if island == "grouped" else ""
            layout = "each" if island == "grouped" else island
            edge = world.node("edge", BRANCHES, mqtt=broker.port, island=layout, grouped=grouped)
            await in_thread(up.start)
            await in_thread(edge.start)
            await until(adapter_open(edge), 20, edge.log)
            await until(adapter_open(edge, "second"), 20, edge.log)
            names = [status.name for status in edge.status().islands]
            assert len(names) == {"each": 6, "all": 1, "grouped": 5}[island], names
            async with RawClient(broker.port, p.Connect("copies", clean=True)) as copies:
                await copies.subscribe(p.Wanted("copy/#", 0))
                await publish(broker.port, range(1000))
                await publish(broker.port, range(1000, 1500), topic="hall/7/telemetry")

                def stored(branch: int) -> list[object]:
                    rows = [row.reading for row in world.rows() if row.reading is not None]
                    return [r.fields["n"] for r in rows if r.fields.get("branch") == branch]

                began = CLOCK.monotonic()
                await until(
                    lambda: len(stored(1)) >= 1500 and len(stored(2)) >= 1000, 40, lambda: str(len(stored(2))) + edge.log()
                )
                print(f"{island}: all stored after {CLOCK.monotonic() - began:.1f} s")
                assert_once(stored(1), range(1500))
                assert_once(stored(2), range(1000))
                await until(lambda: len(stored(3)) >= 1000 and len(stored(4)) >= 1000, 20, lambda: str(len(stored(3))))
                assert stored(3) == stored(4) == list(range(1000))
                assert [n for n in stored(1) if n < 1000] == list(range(1000))
                assert [n for n in stored(1) if n >= 1000] == list(range(1000, 1500))
                await copies.until(lambda: len({m.payload for m in copies.messages}) >= 1000, 20, "the copies")
                assert [json.loads(m.payload)["fields"]["n"] for m in copies.messages] == list(range(1000))
            assert await in_thread(edge.stop) == 0, edge.log()
            assert "Traceback" not in edge.log()
            assert "stay with their devices" not in edge.log()

    asyncio.run(run())


def test_a_link_is_one_session_when_it_was_cut_and_restored_again_and_again(world):
    """Cut and restore in any rhythm leave one session, not two links, and readings flow."""
    up = world.node("up", UP)
    edge = world.node("edge", SIMULATED_EDGE)
    up.start()
    edge.start()
    wait_until(session_open(edge), 20, edge.log)
    for _ in range(5):
        edge.ask(lambda node: node.control("cut-link", "uplink/hq"))
        edge.ask(lambda node: node.control("restore-link", "uplink/hq"))
    wait_until(session_open(edge), 20, edge.log)
    before = len(world.rows())
    wait_until(lambda: len(world.rows()) > before, 20, lambda: edge.log() + up.log())
    wait_until(lambda: len(up.member("ingress").ingress.sessions) == 1, 10, lambda: str(up.member("ingress")))
    assert edge.stop() == 0
    up.stop()

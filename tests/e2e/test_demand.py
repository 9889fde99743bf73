"""Goal: demand reaches the wire. Method: the uplink is cut and the spool fills up; then nothing is asked of any device, and
nothing in the node grows; when the link is back, all goes on by itself."""

from __future__ import annotations

import asyncio
import os

import pytest
from e2e_world import (
    BROKER_LINES,
    CLOCK,
    UP,
    adapter_open,
    assert_once,
    in_thread,
    publish,
    rss_kb,
    session_open,
    until,
)

from rt_edge.testkit.modbus_slave import SlaveBank, SlaveUnit, TcpSlave, counter
from rt_edge.testkit.mosquitto import MosquittoProcess

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

FLAT_S = float(os.environ.get("RT_EDGE_E2E_FLAT_S", "5"))
"""How long the blocked node is watched."""

EDGE = """
node: {{id: hall-3, data: {data}}}
adapters:
  broker:
    kind: mqtt
    url: mqtt://127.0.0.1:{mqtt}
    window_messages: 500
    subscribe:
      - {{filter: "plant/+/telemetry", qos: 1, topic: "plant/{{line}}/telemetry", codec: json}}
  meter:
    kind: modbus
    channel: {{tcp: "127.0.0.1:{tcp}"}}
    units:
      main: {{unit: 1, every: 5ms, points: {{polls: {{input: 0}}}}}}
graphs:
  telemetry: [{{from: [broker, meter]}}, {{to: hq}}]
uplinks:
  hq: {{peers: ["127.0.0.1:{ingress}"], spool: {{max: 2MB, when_full: {when_full}}}}}
"""


def test_devices_rest_and_nothing_grows_when_the_uplink_is_down_and_the_spool_is_full(world, mosquitto_path):
    """`block`: no Modbus poll, at most Receive Maximum unacknowledged messages, flat memory; then everything arrives once."""

    async def run() -> None:
        total = 8000
        meter_unit = SlaveUnit(input=[counter()])
        up = world.node("up", UP)
        async with (
            MosquittoProcess(mosquitto_path, world.folder / "broker", BROKER_LINES) as broker,
            TcpSlave(SlaveBank({1: meter_unit})) as meter,
        ):
            edge = world.node("edge", EDGE, mqtt=broker.port, tcp=meter.port)
            await in_thread(up.start)
            await in_thread(edge.start)
            await until(adapter_open(edge), 20, edge.log)
            await until(session_open(edge), 20, edge.log)
            await in_thread(edge.ask, lambda node: node.control("cut-link", "uplink/hq"))
            await publish(broker.port, range(total), pad=400)

            last = [0, 0.0]

            def resting() -> bool:
                """No poll for a second."""
                if len(meter_unit.requests) != last[0]:
                    last[:] = [len(meter_unit.requests), CLOCK.monotonic()]
                return CLOCK.monotonic() - last[1] > 1.0

            await until(resting, 60, lambda: str(edge.member("uplink/hq")))
            member = edge.member("uplink/hq")
            assert any(node.counters.get("blocked") for node in member.nodes)
            polls, emitted = len(meter_unit.requests), edge.member("adapter/broker").nodes[0].emitted
            family = edge.family()
            rss = rss_kb(family)
            end = CLOCK.monotonic() + FLAT_S
            await until(lambda: CLOCK.monotonic() >= end, FLAT_S + 5, "time")
            grown = rss_kb(family) - rss
            print(f"blocked for {FLAT_S:g} s: rss {rss} kB, grown by {grown} kB; {polls} polls, {emitted} messages taken")
            assert len(meter_unit.requests) == polls
            assert edge.member("adapter/broker").nodes[0].emitted == emitted
            assert edge.member("adapter/broker").nodes[0].counters.get("errors", 0) == 0
            assert grown < 1024
            status = edge.member("adapter/broker").adapter
            print("gauges", status.gauges)
            assert status.gauges.get("unsettled", 0) <= 500
            await in_thread(edge.ask, lambda node: node.control("restore-link", "uplink/hq"))
            took = await until(
                lambda: len(set(world.values())) >= total, 60, lambda: f"{len(world.values())} {edge.log()[-2000:]}"
            )
            print(f"all {total} stored {took:.1f} s after the link was restored")
            assert_once(world.values(), range(total))
            await until(lambda: len(meter_unit.requests) > polls, 20, edge.log)
            assert await in_thread(edge.stop) == 0
            polled = world.values("polls")
            assert polled == sorted(set(polled)), "polls out of order or doubled"
            assert await in_thread(up.stop) == 0

    asyncio.run(run())


def test_the_store_shows_what_was_dropped_when_the_spool_was_full_with_drop_oldest(world, mosquitto_path):
    """Stored readings and tombstones together are what the broker had; the newest are there."""

    async def run() -> None:
        total = 8000
        up = world.node("up", UP)
        async with (
            MosquittoProcess(mosquitto_path, world.folder / "broker", BROKER_LINES) as broker,
            TcpSlave(SlaveBank()) as meter,
        ):
            edge = world.node("edge", EDGE, mqtt=broker.port, tcp=meter.port, when_full="drop_oldest")
            await in_thread(edge.start)
            await until(adapter_open(edge), 20, edge.log)
            await publish(broker.port, range(total), pad=400)

            def settled() -> bool:
                member = edge.member("adapter/broker")
                return member is not None and member.nodes[0].emitted >= total and not member.adapter.gauges.get("unsettled")

            await until(settled, 40, lambda: str(edge.member("adapter/broker")))
            await in_thread(up.start)
            await until(session_open(edge), 20, edge.log)
            await until(lambda: total - 1 in world.values(), 40, edge.log)
            rows = world.rows()
            dropped = sum(row.tombstone.readings for row in rows if row.tombstone is not None)
            stored = [n for n in world.values() if isinstance(n, int)]
            print(f"{len(stored)} stored, {dropped} dropped in {sum(row.kind == 'tombstone' for row in rows)} tombstones")
            assert dropped > 0
            assert len(stored) + dropped >= total
            assert stored == list(range(total - len(stored), total)), "what is left is not the newest, in order"
            assert await in_thread(edge.stop) == 0
            assert await in_thread(up.stop) == 0

    asyncio.run(run())

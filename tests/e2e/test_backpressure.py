"""Goal: demand reaches the wire. Method: a whole node between a real mosquitto, pymodbus's servers and an uplink that is cut
until the spool is full; a tap counts on the broker's side, the Modbus peer counts its requests, the kernel counts memory.

A full spool stops a device when the demand that was given before is used up: up to a window of unsettled readings (1,000). So the
Modbus units are polled fast here. The node is watched for a minute that begins a minute after it was full, with
`RT_EDGE_CAMPAIGN=1` for five.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from statistics import mean

import pytest

from rt_edge.data.clock import SystemClock
from rt_edge.testkit.mosquitto import MosquittoProcess
from rt_edge.testkit.node_process import wait_until
from rt_edge.testkit.spine.feeder import Feeder
from rt_edge.testkit.spine.modbus_peer import BAUD, ModbusPeer
from rt_edge.testkit.spine.plant import BROKER, Plant, modbus_line
from rt_edge.testkit.spine.supervised import proportional_set_size
from rt_edge.testkit.spine.tally import Tally
from rt_edge.testkit.spine.tap import MqttTap

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

FULL = os.environ.get("RT_EDGE_CAMPAIGN") == "1"
FIRST_S = 60.0
WATCH_S = 300.0 if FULL else 60.0
SAMPLES = 20
WINDOW = 1000
MESSAGES = 16_000
PAD = 400
QUOTA = "3MB"
DEVICES = ["cell-1", "cell-2"]
UNITS = {"pump-1": 1}
MIB = 1024 * 1024


def test_devices_rest_and_memory_stays_when_the_spool_is_full_and_all_goes_on_when_the_link_returns(
    tmp_path: Path, mosquitto_path: Path
) -> None:
    """`block`: at most Receive Maximum messages unacknowledged, no Modbus request, flat PSS; then everything is stored once."""
    asyncio.run(run(tmp_path, mosquitto_path))


async def run(folder: Path, mosquitto: Path) -> None:
    lines = ["max_queued_messages 0", "max_inflight_messages 65535"]
    with ModbusPeer(list(UNITS.values())) as peer:
        async with MosquittoProcess(mosquitto, folder / "broker", lines) as broker, MqttTap(broker.port) as tap:
            adapters = {
                "broker": BROKER.format(mqtt=tap.port, window=WINDOW),
                "line": modbus_line("line", f"serial: {peer.serial}, baud: {BAUD}, parity: none", UNITS, "20ms"),
                "meter": modbus_line("meter", f'tcp: "127.0.0.1:{peer.port}"', UNITS, "5ms"),
            }
            plant = Plant(folder, adapters, spool=QUOTA)
            feeder = Feeder(broker.port, DEVICES, MESSAGES, rate=3000, pad=PAD)
            try:
                await asyncio.to_thread(plant.start)
                await asyncio.to_thread(plant.edge.node.ask, lambda node: node.control("cut-link", "uplink/hq"))
                await asyncio.gather(feeder.run(), asyncio.to_thread(until_full, peer, tap))
                await asyncio.to_thread(watch, plant, peer, tap)
                await asyncio.to_thread(plant.edge.node.ask, lambda node: node.control("restore-link", "uplink/hq"))
                await asyncio.to_thread(goes_on, plant, peer, feeder)
            finally:
                await asyncio.to_thread(plant.stop)


def asked(peer: ModbusPeer) -> int:
    return sum(sum(units.values()) for units in peer.requests().values())


def until_full(peer: ModbusPeer, tap: MqttTap) -> None:
    """Until nothing has moved at any device for 1.5 s."""
    clock = SystemClock()
    last = [(-1, -1), clock.monotonic()]

    def still() -> bool:
        now = (asked(peer), tap.acknowledged)
        if now != last[0]:
            last[:] = [now, clock.monotonic()]
        return clock.monotonic() - last[1] > 1.5

    wait_until(still, 120, lambda: f"devices are still asked: {last}")


def watch(plant: Plant, peer: ModbusPeer, tap: MqttTap) -> None:
    """While the spool is full."""
    clock = SystemClock()

    def let(seconds: float) -> None:
        over = clock.monotonic() + seconds
        wait_until(lambda: clock.monotonic() >= over, seconds + 5, "time")

    member = plant.edge.node.member("uplink/hq")
    assert member is not None
    assert member.uplink is not None
    assert any(node.counters.get("blocked") for node in member.nodes), "the spool is not full"
    let(FIRST_S)
    polls, acknowledged, family = asked(peer), tap.acknowledged, plant.edge.node.family()
    sizes = []
    for _ in range(SAMPLES):
        sizes.append(proportional_set_size(family))
        let(WATCH_S / SAMPLES)
    sizes.append(proportional_set_size(family))
    growth = (mean(sizes[-5:]) - mean(sizes[:5])) / (WATCH_S * (SAMPLES - 4) / SAMPLES) * 60
    print(f"full for {FIRST_S + WATCH_S:g} s: PSS of {len(family)} processes {sizes[0] / MIB:.2f} MiB,", end=" ")
    print(f"{growth / MIB:+.3f} MiB a minute (samples {min(sizes) / MIB:.2f} to {max(sizes) / MIB:.2f})")
    print(f"broker: {tap.outstanding} messages unacknowledged, at most {tap.most}, Receive Maximum {WINDOW};", end=" ")
    print(
        f"Modbus requests {polls} and {asked(peer)} later; spool {member.uplink.readings} readings, {member.uplink.bytes} bytes"
    )
    assert asked(peer) == polls, "Modbus is polled without demand"
    assert tap.acknowledged == acknowledged, "messages are acknowledged that are not stored"
    assert tap.outstanding == tap.most == WINDOW
    assert plant.edge.node.family() == family, "a process was started again"
    assert growth < MIB


def goes_on(plant: Plant, peer: ModbusPeer, feeder: Feeder) -> None:
    """After the link is back."""
    tally = Tally(plant.store)
    polls = asked(peer)
    expected = {f"broker/{device}": n for device, n in feeder.acknowledged.items()}

    def all_there() -> bool:
        tally.look()
        return sum(len(set(numbers)) for numbers in tally.messages.values()) >= MESSAGES

    wait_until(all_there, 60, lambda: f"{tally.count} stored: {plant.logs()}")
    wait_until(lambda: asked(peer) > polls + 20, 20, "Modbus is polled again")
    plant.stop()
    tally.look()
    verdict = tally.verdict(expected, expected)
    gaps = [(gap.source, gap.reason, round((gap.end - gap.start) / 1e9, 1)) for gap in tally.gaps]
    print(f"{verdict}; polls doubled {tally.doubled_polls()}, gaps {gaps}")
    assert (verdict.lost, verdict.doubled, verdict.disordered, tally.doubled_polls()) == (0, 0, 0, 0)
    assert tally.tombstones == 0
    assert {(source, reason) for source, reason, _ in gaps} == {("line/pump-1", "no_demand"), ("meter/pump-1", "no_demand")}

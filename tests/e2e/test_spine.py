"""Goal: the first promise, on the whole way. Method: a real mosquitto, pymodbus's servers on a pty and on TCP, two nodes as a
user runs them under something that restarts them as systemd does; 50,000 messages at QoS 1 and Modbus polling while processes of
both nodes are killed with SIGKILL at seeded moments of the load.

The upstream is away for a minute of it. `RT_EDGE_CAMPAIGN=1` doubles the kills. `RT_EDGE_E2E_AWAY` (seconds),
`RT_EDGE_E2E_MESSAGES` and `RT_EDGE_E2E_SEED` override.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from random import Random

import pytest

from rt_edge.testkit.mosquitto import MosquittoProcess
from rt_edge.testkit.node_process import wait_until
from rt_edge.testkit.spine.campaign import BETWEEN, Campaign
from rt_edge.testkit.spine.feeder import Feeder
from rt_edge.testkit.spine.modbus_peer import BAUD, ModbusPeer
from rt_edge.testkit.spine.plant import BROKER, Plant, modbus_line
from rt_edge.testkit.spine.supervised import processes_of
from rt_edge.testkit.spine.tally import Tally

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

FULL = os.environ.get("RT_EDGE_CAMPAIGN") == "1"
AWAY_S = float(os.environ.get("RT_EDGE_E2E_AWAY", "60"))
MESSAGES = int(os.environ.get("RT_EDGE_E2E_MESSAGES", "50000"))
SEED = int(os.environ.get("RT_EDGE_E2E_SEED", "20260101"))
RATE = 1200.0
DEVICES = ["cell-1", "cell-2", "cell-3", "cell-4", "cell-5"]
UNITS = {"pump-1": 1, "pump-2": 2}
EVERY_S = 0.25

VICTIMS = (
    ["edge adapter-broker"] * 3
    + ["edge adapter-line"] * 2
    + ["edge adapter-meter"]
    + ["edge graph-telemetry"] * 3
    + ["edge graph-polled"]
    + ["edge uplink-hq"] * 3
    + ["edge guardian"] * 2
    + ["edge admin"] * 2
    + ["edge logger"] * 2
    + ["edge main"] * 2
    + ["up ingress"] * 2
    + ["up main"]
    + [f"edge adapter-broker {BETWEEN}"] * 2
    + [f"edge main {BETWEEN}"] * 2
    + [f"edge graph-telemetry {BETWEEN}"] * 2
)


def test_every_acknowledged_message_is_stored_once_and_in_order_when_processes_are_killed_under_load(
    tmp_path: Path, mosquitto_path: Path
) -> None:
    """SIGKILL of any process of either node and an absent upstream lose nothing, double nothing, and keep each device's order."""
    asyncio.run(campaign(tmp_path, mosquitto_path))


async def campaign(folder: Path, mosquitto: Path) -> None:
    print(f"seed {SEED}, {MESSAGES} messages, upstream away {AWAY_S:g} s")
    lines = ["max_queued_messages 0", "max_inflight_messages 2000", "autosave_interval 30"]
    with ModbusPeer(list(UNITS.values())) as peer:
        async with MosquittoProcess(mosquitto, folder / "broker", lines) as broker:
            serial = f"serial: {peer.serial}, baud: {BAUD}, parity: none"
            adapters = {
                "broker": BROKER.format(mqtt=broker.port, window=2000),
                "line": modbus_line("line", serial, UNITS, f"{EVERY_S * 1000:g}ms"),
                "meter": modbus_line("meter", f'tcp: "127.0.0.1:{peer.port}"', UNITS, f"{EVERY_S * 1000:g}ms"),
            }
            plant = Plant(folder, adapters)
            try:
                await asyncio.to_thread(plant.start)
                tally = await under_load(plant, broker.port)
                await asyncio.to_thread(plant.stop)
                for node in (plant.edge.node, plant.upstream.node):
                    assert not processes_of(node.config), "a process of a stopped node is still there"
                judge_polls(tally, peer)
            finally:
                await asyncio.to_thread(plant.stop)


async def under_load(plant: Plant, port: int) -> Tally:
    """The load, the kills, and what arrived of the messages."""
    feeder = Feeder(port, DEVICES, MESSAGES, RATE)
    tally = Tally(plant.store)
    kills = Campaign(plant.edge, plant.upstream, feeder, Random(SEED))
    feeding = asyncio.create_task(feeder.run())
    try:
        victims = VICTIMS * 2 if FULL else VICTIMS
        await asyncio.to_thread(kills.run, victims, MESSAGES, AWAY_S)
        async with asyncio.timeout(60):
            await feeding
    finally:
        feeding.cancel()
        print("kills:", sum(kills.kills.values()), dict(kills.kills), f"restarts of main: edge {plant.edge.restarts},", end=" ")
        print(f"upstream {plant.upstream.restarts}")
    assert feeder.published == feeder.acknowledged
    goal = feeder.sent

    def all_there() -> bool:
        tally.look()
        return sum(len(set(numbers)) for numbers in tally.messages.values()) >= goal

    try:
        await asyncio.to_thread(wait_until, all_there, 60, "all messages are stored")
    finally:
        expected = {f"broker/{device}": n for device, n in feeder.acknowledged.items()}
        verdict = tally.verdict(expected, expected)
        print(verdict)
        print(f"lanes {tally.lanes}, tombstones {tally.tombstones}")
    assert sum(kills.kills.values()) >= 24
    assert sum(n for victim, n in kills.kills.items() if victim.endswith(BETWEEN)) >= 4
    assert kills.idle == 0, "a victim was killed when the load had ended"
    assert (verdict.lost, verdict.doubled, tally.tombstones) == (0, 0, 0), plant.logs()
    assert verdict.disordered == 0, f"{verdict}\n{plant.logs()}"
    return tally


def judge_polls(tally: Tally, peer: ModbusPeer) -> None:
    """Polled readings: none doubled, and each stretch without readings has its gap record."""
    tally.look()
    requests = peer.requests()
    reasons = {gap.reason for gap in tally.gaps}
    stored = {source: len(readings) for source, readings in sorted(tally.polls.items())}
    print(f"polls answered {requests}, stored {stored}, gaps {len(tally.gaps)} {reasons}, doubled {tally.doubled_polls()}")
    assert set(stored) == {f"{line}/{unit}" for line in ("line", "meter") for unit in UNITS}
    assert tally.doubled_polls() == 0
    assert "restart" in reasons
    for source in stored:
        holes = tally.uncovered(source, longest=8 * EVERY_S, slack=2 * EVERY_S)
        assert not holes, f"{source}: {[(end - start) / 1e9 for start, end in holes]} s without readings and without a gap record"

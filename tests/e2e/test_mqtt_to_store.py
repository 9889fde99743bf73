"""Goal: the first promise. Method: a real broker, two nodes as a user runs them, and kill -9 of any of their processes while
readings flow; at the end every reading that the broker took is in the store, once."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from rt_edge.daemon.client import NoNode
from rt_edge.data.errors import RtEdgeError
from rt_edge.testkit.mosquitto import MosquittoProcess
from rt_edge.testkit.mqtt_broker import packets as p
from rt_edge.testkit.mqtt_client import RawClient
from rt_edge.testkit.node_process import NodeProcess, wait_until
from rt_edge.uplink.stores.query import Filter, StoreReader

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

EDGE = """
node: {{id: hall-3, data: {data}}}
adapters:
  broker:
    kind: mqtt
    url: mqtt://127.0.0.1:{mqtt}
    version: "{version}"
    window_messages: 1000
    subscribe:
      - {{filter: "plant/+/telemetry", qos: 1, topic: "plant/{{line}}/telemetry", codec: json}}
graphs:
  telemetry:
    - from: broker
    - filter: n % 10 != 9
    - set: {{double: n * 2}}
    - to: hq
uplinks:
  hq: {{peers: ["127.0.0.1:{ingress}"], spool: {{max: 64MB, when_full: block}}}}
"""

UP = """
node: {{id: up-1, data: {data}}}
stores: {{main: {{kind: sqlite, path: store/main.db}}}}
ingress: {{listen: "127.0.0.1:{ingress}", store: main}}
"""


def wanted(n: int) -> list[int]:
    """What the graph lets pass."""
    return [i for i in range(n) if i % 10 != 9]


class Plant:
    """A broker, an edge node and an upstream node."""

    def __init__(self, folder: Path, mqtt: int, ingress: int, version: str) -> None:
        self.edge = self._node(folder, "edge", EDGE, mqtt=mqtt, ingress=ingress, version=version)
        self.up = self._node(folder, "up", UP, ingress=ingress)
        self.store = folder / "up" / "store" / "main.db"

    def _node(self, folder: Path, name: str, text: str, **values: object) -> NodeProcess:
        config = folder / f"{name}.yaml"
        config.write_text(text.format(data=folder / name, **values))
        return NodeProcess(config, folder / name, folder / f"{name}.log")

    def stored(self) -> list[int]:
        """The field `n` of every stored reading, in the order of the lane."""
        if not self.store.exists():
            return []
        with StoreReader(self.store) as reader:
            return [row.reading.fields["n"] for row in reader.rows(Filter()) if row.reading is not None]

    def stop(self) -> None:
        for node in (self.edge, self.up):
            node.stop()


async def publish(port: int, payloads: list[bytes], done: asyncio.Event) -> None:
    """Every payload at QoS 1, over three topics."""
    async with RawClient(port, p.Connect("publisher")) as client:
        for start in range(0, len(payloads), 100):
            await client.publish_many(f"plant/{start // 100 % 3}/telemetry", payloads[start : start + 100])
    done.set()


def free_port() -> int:
    import socket

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def hurt(plant: Plant, random: Random) -> str:
    """Kill one process, or cut the link; returns what was done."""
    victim = random.choice(
        ["adapter-broker", "graph-telemetry", "uplink-hq", "guardian", "edge main", "up ingress", "up main", "cut", "restore"]
    )
    try:
        if victim == "cut":
            plant.edge.ask(lambda node: node.control("cut-link", "uplink/hq"))
        elif victim == "restore":
            plant.edge.ask(lambda node: node.control("restore-link", "uplink/hq"))
        elif victim == "edge main":
            plant.edge.kill()
            plant.edge.start()
        elif victim == "up main":
            plant.up.kill()
            plant.up.start()
        elif victim == "up ingress":
            plant.up.kill("ingress")
        else:
            plant.edge.kill(victim)
    except (NoNode, KeyError, ProcessLookupError) as error:
        return f"{victim}: not there ({error})"
    return victim


async def campaign(folder: Path, mosquitto: Path, seed: int, readings: int, faults: int, version: str) -> None:
    print(f"seed {seed}")
    random = Random(seed)
    lines = ["max_queued_messages 0", "max_inflight_messages 1000", "persistence true", "autosave_interval 1"]
    async with MosquittoProcess(mosquitto, folder / "broker", lines) as broker:
        plant = Plant(folder, broker.port, free_port(), version)
        done: list[str] = []
        try:
            await asyncio.to_thread(plant.up.start)
            await asyncio.to_thread(plant.edge.start)
            await asyncio.to_thread(wait_until, lambda: adapter_open(plant), 20, lambda: plant.edge.log()[-2000:])
            published = asyncio.Event()
            payloads = [b'{"n": %d, "temp": 20.5}' % i for i in range(readings)]
            task = asyncio.create_task(publish(broker.port, payloads, published))
            for _ in range(faults):
                await asyncio.to_thread(wait_until, passed(plant, random.random()), 5, "time")
                done.append(await asyncio.to_thread(hurt, plant, random))
            await task
            await asyncio.to_thread(restore, plant)
            goal = set(wanted(readings))
            await asyncio.to_thread(wait_until, lambda: goal <= set(plant.stored()), 60, lambda: report(plant, goal, done))
            stored = plant.stored()
            doubles = {n: k for n, k in Counter(stored).items() if k > 1}
            assert not doubles, f"seed {seed}, {done}: stored twice: {list(doubles.items())[:20]}"
            assert set(stored) == goal
            await asyncio.to_thread(plant.stop)
            assert "Traceback" not in plant.edge.log() or faults, plant.edge.log()[-3000:]
        finally:
            plant.stop()


def passed(plant: Plant, seconds: float):
    """A condition that holds after `seconds`."""
    from rt_edge.data.clock import SystemClock

    clock = SystemClock()
    until = clock.monotonic() + seconds
    return lambda: clock.monotonic() >= until


def restore(plant: Plant) -> None:
    """However the faults left it: the link is wanted."""

    def attempt() -> bool:
        try:
            plant.edge.ask(lambda node: node.control("restore-link", "uplink/hq"))
        except RtEdgeError:
            return False
        return True

    wait_until(attempt, 30, "the edge node takes commands")


def adapter_open(plant: Plant) -> bool:
    member = plant.edge.member("adapter/broker")
    return member is not None and member.adapter is not None and member.adapter.state == "open"


def report(plant: Plant, goal: set[int], done: list[str]) -> str:
    stored = set(plant.stored())
    missing = sorted(goal - stored)
    return f"{done}: {len(missing)} missing: {missing[:20]}\n{plant.edge.log()[-4000:]}\n{plant.up.log()[-1500:]}"


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_every_reading_is_stored_once_and_in_order_when_nothing_goes_wrong(tmp_path, mosquitto_path, version):
    """The main job on real input: broker, graph, spool, link, store."""
    asyncio.run(campaign(tmp_path, mosquitto_path, 0, 5000, 0, version))


SEEDS = range(1, 1 + int(os.environ.get("RT_EDGE_E2E_SEEDS", "2")))


@pytest.mark.parametrize("seed", SEEDS)
def test_every_reading_is_stored_once_when_processes_are_killed_and_the_link_is_cut(tmp_path, mosquitto_path, seed):
    """kill -9 of any process of either node, and link cuts, lose nothing and double nothing."""
    asyncio.run(campaign(tmp_path, mosquitto_path, seed, 5000, 6, "5"))

"""W3: upstream down, half the readings at QoS 1, SIGKILL of the edge's main process, restart, the other half, upstream back.

Through a real mosquitto, since a broker that keeps its session is part of it.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from pathlib import Path
from time import monotonic
from typing import Any

from benchmarks.harness.feeder import passes, payload
from benchmarks.harness.meter import Meter, family, load, pss_mib
from benchmarks.harness.nodes import Plant, mosquitto
from benchmarks.harness.table import Row, show
from benchmarks.harness.w1 import CLIENT, EDGE
from rt_edge.testkit.mosquitto import MosquittoProcess
from rt_edge.testkit.mqtt_broker import packets as p
from rt_edge.testkit.mqtt_client import RawClient
from rt_edge.testkit.node_process import wait_until

TOPICS = 10


async def publish(port: int, numbers: range, name: str) -> float:
    """At QoS 1, 100 at a time; returns the seconds it took."""
    start = monotonic()
    async with RawClient(port, p.Connect(name)) as client:
        for first in range(numbers.start, numbers.stop, 100):
            part = [payload(n, 1_700_000_000_000_000_000 + n) for n in range(first, min(first + 100, numbers.stop))]
            await client.publish_many(f"plant/{first // 100 % TOPICS:03}/telemetry", part)
    return monotonic() - start


def spooled(plant: Plant) -> int:
    """Readings in the edge's spool."""
    member = plant.edge.member("uplink/hq")
    return member.uplink.readings if member is not None and member.uplink is not None else -1


def disk(folder: Path) -> float:
    """MB of all files."""
    return sum(f.stat().st_blocks * 512 for f in folder.rglob("*") if f.is_file()) / 1e6


async def run(n: int, folder: Path) -> Row:
    """One run."""
    lines = ["max_queued_messages 0", "autosave_interval 1"]
    wanted = [i for i in range(n) if passes(i)]
    async with MosquittoProcess(mosquitto(), folder / "broker", lines) as broker:
        with Plant(folder, EDGE, mqtt=broker.port, qos=1, to="hq", island="each", more="", client=CLIENT[0]) as plant:
            plant.edge.start()
            await asyncio.to_thread(wait_until, lambda: is_open(plant), 20, "the adapter is open")
            meter = Meter(plant.edge.pid)
            took = await publish(broker.port, range(n // 2), "first")
            used = meter.used()
            plant.edge.kill()
            start = monotonic()
            plant.edge.start()
            back = monotonic() - start
            took += await publish(broker.port, range(n // 2, n), "second")
            await asyncio.to_thread(wait_until, lambda: spooled(plant) >= len(wanted), 60, lambda: f"spooled: {spooled(plant)}")
            peak, pss = disk(folder / "edge"), pss_mib(family(plant.edge.pid))
            meter = Meter(plant.edge.pid)
            start = monotonic()
            plant.upstream.start()
            await asyncio.to_thread(plant.wait_stored, 1, 30)
            first = monotonic() - start
            start = monotonic()
            await asyncio.to_thread(plant.wait_stored, len(wanted), 60)
            drained = monotonic() - start
            draining = meter.used()
            stored = [(source, fields["n"]) for source, fields, _ in plant.readings()]
    return {
        "n": n,
        "published/s": n / took,
        **verdict(stored, wanted),
        "disk MB at peak": peak,
        "restart s": back,
        "first after s": first,
        "drain/s": len(wanted) / max(drained, 0.01),
        "CPU s/100k storing": used.cpu / (n // 2) * 1e5,
        "CPU s/100k draining": draining.cpu / len(wanted) * 1e5,
        "PSS MiB at peak": pss,
        "load": load(),
    }


def verdict(stored: list[tuple[str, Any]], wanted: list[int]) -> Row:
    """What is lost, doubled, or comes before an earlier one of its topic."""
    counts = Counter(n for _, n in stored)
    last: dict[str, int] = {}
    disorder = 0
    for source, n in stored:
        disorder += n < last.get(source, -1)
        last[source] = max(n, last.get(source, -1))
    return {
        "lost": len(set(wanted) - set(counts)),
        "doubled": sum(k - 1 for k in counts.values()),
        "out of order": disorder,
    }


def is_open(plant: Plant) -> bool:
    """Whether the adapter is connected."""
    member = plant.edge.member("adapter/broker")
    return member is not None and member.adapter is not None and member.adapter.state == "open"


def main(seconds: float) -> dict[str, list[Row]]:
    """One row."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [asyncio.run(run(max(4000, int(seconds * 4000) // 200 * 200), Path(folder)))]
    show("W3 upstream down, SIGKILL half way", rows)
    return {"W3": rows}

"""W4: idle memory and CPU, processes, and the time from start to the first reading in the upstream store."""

from __future__ import annotations

import tempfile
from pathlib import Path
from time import monotonic, sleep

from benchmarks.harness.meter import Meter, family, load, pss_mib
from benchmarks.harness.nodes import Feed, Plant
from benchmarks.harness.table import Row, show
from benchmarks.harness.w1 import CLIENT, EDGE, SINK
from rt_edge.testkit.node_process import wait_until

SIMULATED = """
  sim: {{kind: simulated, devices: 1, every: 1h}}
"""
CASES = {
    "1 (island: all)": ("all", ""),
    "3": ("each", ""),
    "4 (two mqtt)": ("each", SINK),
    "4 (mqtt, simulated)": ("each", SIMULATED),
}


def case(name: str, seconds: float) -> Row:
    """One node: started with a reading waiting for it, then idle."""
    island, more = CASES[name]
    with Feed() as feed, tempfile.TemporaryDirectory() as folder:
        text = EDGE
        more = more.format(mqtt=feed.port, qos=1)
        with Plant(Path(folder), text, mqtt=feed.port, qos=1, to="hq", island=island, more=more, client=CLIENT[0]) as plant:
            feed.prepare(20, 1)
            plant.upstream.start()
            feed.feed()
            start = monotonic()
            plant.edge.start(wait=False)
            plant.wait_stored(1, 30)
            first = monotonic() - start
            plant.edge.wait_ready()
            wait_until(lambda: len(plant.edge.pids()) > 2, 20, "all islands run")
            sleep(3)  # what follows a start is over
            meter = Meter(plant.edge.pid)
            sleep(seconds)
            used = meter.used()
            pids = family(plant.edge.pid)
            names = plant.names()
            shares = {names.get(pid, "admin, logger"): 0.0 for pid in pids}
            for pid in pids:
                shares[names.get(pid, "admin, logger")] += pss_mib({pid})
            return {
                "islands": name,
                "PSS MiB": pss_mib(pids),
                "processes": len(pids),
                "CPU %": used.percent,
                "first reading stored s": first,
                "PSS MiB by process": ", ".join(f"{who} {mib:.1f}" for who, mib in shares.items()),
                "load": load(),
            }


def main(seconds: float) -> dict[str, list[Row]]:
    """Idle for two and a half times `seconds` each: 20 s by default."""
    rows = [case(name, 2.5 * seconds) for name in CASES]
    show("W4 idle", rows)
    return {"W4": rows}

"""W1: JSON readings on 100 topics -> filter -> computed field -> uplink -> upstream store, or -> another broker; whole nodes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic

from benchmarks.harness.feeder import passes
from benchmarks.harness.meter import Meter, cpu_by_pid, family, load, percentile, pss_mib
from benchmarks.harness.nodes import HERE, Feed, Plant
from benchmarks.harness.table import Row, show
from rt_edge.testkit.node_process import wait_until

EDGE = """
node: {{id: hall-3, data: {data}}}
island: {island}
adapters:
  broker:
    kind: mqtt
    url: mqtt://127.0.0.1:{mqtt}
    client: {client}
    window_messages: 2000
    subscribe: [{{filter: plant/+/telemetry, qos: {qos}, codec: json, time: ts, time_format: ns}}]
{more}
graphs:
  telemetry:
    - from: broker
    - filter: temp > 20
    - set: {{temp_f: temp * 1.8 + 32}}
    - to: {to}
uplinks:
  hq: {{peers: ["127.0.0.1:{ingress}"], spool: {{max: 512MB, when_full: block}}}}
"""
SINK = """
  north:
    kind: mqtt
    url: mqtt://127.0.0.1:{mqtt}
    publish: {{topic: out, qos: {qos}, layout: flat}}
"""
CLIENT = ["paho"]
"""The MQTT client of the edge; `spine.py --client` changes it."""


def plant(folder: Path, feed: Feed, qos: int, to: str = "hq", island: str = "each") -> Plant:
    """The two nodes."""
    text = EDGE
    if to == "north":
        text = text[: text.index("uplinks:")]
    more = SINK.format(mqtt=feed.port, qos=qos) if to == "north" else ""
    return Plant(folder, text, mqtt=feed.port, qos=qos, to=to, island=island, more=more, client=CLIENT[0])


def commits(plant: Plant) -> int:
    """Transactions of the spool so far; each is one fsync of its log."""
    member = plant.edge.member("uplink/hq")
    return 0 if member is None else sum(node.counters.get("commits", 0) for node in member.nodes)


def started(plant: Plant, adapter: str = "adapter/broker") -> None:
    """Start both nodes, and wait until the adapter is connected."""
    plant.upstream.start()
    plant.edge.start()

    def is_open() -> bool:
        member = plant.edge.member(adapter)
        return member is not None and member.adapter is not None and member.adapter.state == "open"

    wait_until(is_open, 20, lambda: f"{adapter} is open: {plant.edge.log()[-800:]}")


def throughput(qos: int, n: int, to: str = "hq", island: str = "each") -> Row:
    """As fast as it goes; per 100,000 readings that come in."""
    wanted = sum(map(passes, range(n)))
    with Feed() as feed, tempfile.TemporaryDirectory() as folder, plant(Path(folder), feed, qos, to, island) as nodes:
        size = feed.prepare(n, qos)
        started(nodes)
        edge, upstream = Meter(nodes.edge.pid), Meter(nodes.upstream.pid)
        names = nodes.names()
        start = monotonic()
        feed.feed()
        if to == "north":
            feed.fed()
            came, _ = feed.north(wanted)
        else:
            scale = n / wanted
            nodes.wait_stored(wanted, 120, None if qos else lambda found: feed.done(int(found * scale)), 0.03)
            came = wanted
        seconds = monotonic() - start
        edge_used, upstream_used = edge.used(), upstream.used()
        pss = pss_mib(family(nodes.edge.pid))
        row: Row = {
            "subject": f"rt-edge to {'store' if to == 'hq' else 'broker'}",
            "islands": "1" if island == "all" else "3",
            "qos": qos,
            "n": n,
            "bytes": size,
            "elements/s": n / seconds,
            "edge CPU s/100k": edge_used.cpu / n * 1e5,
            "upstream CPU s/100k": upstream_used.cpu / n * 1e5,
            "CPU %": edge_used.percent,
            "PSS MiB": pss,
            "lost": wanted - came,
        }
        if to == "hq":
            row["fsyncs/s"] = commits(nodes) / seconds
            ids = [fields["n"] for _, fields, _ in nodes.readings()]
            row["lost"] = wanted - len(set(ids))
            row["dup"] = len(ids) - len(set(ids))
        parts = {names.get(pid, "others"): 0.0 for pid in edge_used.by_pid}
        for pid, cpu in edge_used.by_pid.items():
            parts[names.get(pid, "others")] += cpu / n * 1e5
        row["CPU s/100k by process"] = ", ".join(f"{name} {cpu:.2f}" for name, cpu in sorted(parts.items()) if cpu >= 0.005)
        row["load"] = load()
        return row


def latency(qos: int, rate: int, seconds: float, to: str = "hq", island: str = "each") -> Row:
    """At a fixed rate: from the publish to the store's transaction, or to the north broker."""
    n = int(rate * seconds)
    wanted = sum(map(passes, range(n)))
    with Feed() as feed, tempfile.TemporaryDirectory() as folder, plant(Path(folder), feed, qos, to, island) as nodes:
        feed.prepare(n, qos)
        started(nodes)
        edge = Meter(nodes.edge.pid)
        feed.feed(rate)
        feed.fed()
        used = edge.used()
        if to == "hq":
            nodes.wait_stored(wanted, 30)
            late = [ms for _, _, ms in nodes.readings()]
        else:
            late = feed.north(wanted)[1]
        return {
            "subject": f"rt-edge to {'store' if to == 'hq' else 'broker'}",
            "islands": "1" if island == "all" else "3",
            "qos": qos,
            "rate": rate,
            "fsyncs/s": commits(nodes) / seconds if to == "hq" else 0.0,
            "p50 ms": percentile(late, 0.5),
            "p99 ms": percentile(late, 0.99),
            "CPU s/100k": used.cpu / n * 1e5,
            "CPU %": used.percent,
            "lost": wanted - len(late),
            "load": load(),
        }


def peer(qos: int, n: int, rate: int = 0) -> Row:
    """The hand script with paho-mqtt, broker to broker."""
    wanted = sum(map(passes, range(n)))
    with Feed() as feed:
        feed.prepare(n, qos)
        script = subprocess.Popen([sys.executable, HERE / "peers.py", "paho", str(feed.port), str(qos)])
        try:
            start = monotonic()
            feed.feed(rate)
            feed.fed()
            came, late = feed.north(wanted)
            seconds = monotonic() - start
            used = sum(cpu_by_pid({script.pid}).values())
        finally:
            script.kill()
            script.wait()
    row: Row = {"subject": "paho script", "qos": qos, "load": load(), "lost": wanted - came}
    if rate:
        row |= {"rate": rate, "p50 ms": percentile(late, 0.5), "p99 ms": percentile(late, 0.99)}
        return row | {"CPU s/100k": used / n * 1e5, "CPU %": 100 * used / seconds}
    return row | {"n": n, "elements/s": n / seconds, "edge CPU s/100k": used / n * 1e5, "CPU %": 100 * used / seconds}


def bare_client(qos: int, n: int) -> Row:
    """The MQTT client library by itself, at QoS 1 or 2: what reading the broker costs before anything is done with it."""
    with Feed() as feed:
        feed.prepare(n, qos)
        script = subprocess.Popen([sys.executable, HERE / "peers.py", "bare", str(feed.port), str(qos)])
        try:
            start = monotonic()
            feed.feed()
            feed.fed()
            seconds = monotonic() - start
            used = sum(cpu_by_pid({script.pid}).values())
        finally:
            script.kill()
            script.wait()
    row: Row = {"subject": "paho alone", "qos": qos, "n": n, "elements/s": n / seconds, "load": load()}
    return row | {"edge CPU s/100k": used / n * 1e5, "CPU %": 100 * used / seconds}


def main(seconds: float) -> dict[str, list[Row]]:
    """About four times `seconds` in all."""
    n = max(5000, int(seconds * 5000))
    fast = [throughput(qos, n, to) for to in ("hq", "north") for qos in (1, 0)]
    fast += [throughput(1, n, "hq", "all"), peer(1, n // 3), peer(0, n // 3)]
    show("W1 as fast as it goes", fast)
    slow = [latency(1, 1000, seconds / 2), latency(1, 1000, seconds / 2, island="all"), latency(0, 1000, seconds / 2, "north")]
    slow += [latency(1, 20, seconds / 2), peer(0, int(500 * seconds), 1000)]
    show("W1 at a fixed rate", slow)
    return {"W1 as fast as it goes": fast, "W1 at a fixed rate": slow}

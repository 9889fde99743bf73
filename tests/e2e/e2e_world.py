"""A plant for the tests of whole nodes: nodes as processes, what they have stored, and what they leave behind."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from random import Random
from typing import TypeVar

from rt_edge.daemon.client import NoNode
from rt_edge.daemon.data_dir import NODE_FILE
from rt_edge.data.clock import SystemClock
from rt_edge.data.errors import RtEdgeError
from rt_edge.telemetry.status import MemberStatus
from rt_edge.testkit.mqtt_broker import packets as p
from rt_edge.testkit.mqtt_client import RawClient
from rt_edge.testkit.node_process import NodeProcess, wait_until
from rt_edge.uplink.stores.query import Filter, StoredRow, StoreReader

CLOCK = SystemClock()
_T = TypeVar("_T")

UP = """
node: {{id: up-1, data: {data}}}
stores: {{main: {{kind: sqlite, path: store/main.db}}}}
ingress: {{listen: "127.0.0.1:{ingress}", store: main}}
"""

MQTT_EDGE = """
node: {{id: hall-3, data: {data}}}
island: {island}
adapters:
  broker:
    kind: mqtt
    url: mqtt://127.0.0.1:{mqtt}
    subscribe:
      - {{filter: "plant/+/telemetry", qos: 1, topic: "plant/{{line}}/telemetry", codec: json}}
graphs:
  telemetry:
    - from: broker
    - set: {{double: n * 2}}
    - to: hq
uplinks:
  hq: {{peers: ["127.0.0.1:{ingress}"], spool: {{max: {quota}, when_full: {when_full}}}}}
"""

SIMULATED_EDGE = """
node: {{id: hall-3, data: {data}}}
island: {island}
adapters:
  sim: {{kind: simulated, devices: 3, every: 100ms}}
graphs:
  telemetry: [{{from: sim}}, {{to: hq}}]
uplinks:
  hq: {{peers: ["127.0.0.1:{ingress}"], spool: {{max: 64MB, when_full: block}}}}
"""

BROKER_LINES = ["max_queued_messages 0", "autosave_interval 1"]


def more(default: Sequence[_T], *others: _T) -> list[_T]:
    """Parameters of a test: `default`, and under RT_EDGE_CAMPAIGN=1 the others too."""
    return [*default, *others] if os.environ.get("RT_EDGE_CAMPAIGN") == "1" else list(default)


CAMPAIGN = os.environ.get("RT_EDGE_CAMPAIGN") == "1"


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class World:
    """Nodes in a folder; all of them are ended with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ingress = free_port()
        self.nodes: list[NodeProcess] = []

    def node(self, name: str, text: str, environment: dict[str, str] | None = None, **values: object) -> NodeProcess:
        """A node that is not started; `text` is its configuration, formatted with `values`."""
        config = self.folder / f"{name}.yaml"
        defaults = {"island": "each", "quota": "64MB", "when_full": "block", "ingress": self.ingress}
        config.write_text(text.format(**{**defaults, "data": self.folder / name, **values}))
        node = NodeProcess(config, self.folder / name, self.folder / f"{name}.log", environment)
        self.nodes.append(node)
        return node

    def rows(self, up: str = "up") -> list[StoredRow]:
        """All rows of the upstream store."""
        store = self.folder / up / "store" / "main.db"
        if not store.exists():
            return []
        try:
            with StoreReader(store) as reader:
                return list(reader.rows(Filter()))
        except RtEdgeError:  # being made
            return []

    def values(self, field: str = "n", up: str = "up") -> list[object]:
        """A field of every stored reading that has it, in the order of the lane."""
        return [row.reading.fields[field] for row in self.rows(up) if row.reading is not None and field in row.reading.fields]

    def end(self) -> None:
        """SIGKILL what is left."""
        for node in self.nodes:
            if node.alive:
                os.kill(node.pid, signal.SIGKILL)
                node._process.wait(10)


async def in_thread(function: Callable, *args: object) -> object:
    """Run what blocks beside the loop, which may serve a broker or a slave."""
    return await asyncio.to_thread(function, *args)


async def until(condition: Callable[[], bool], within: float, what: str | Callable[[], str]) -> float:
    """Wait beside the loop; returns the seconds that it took."""
    began = CLOCK.monotonic()
    await asyncio.to_thread(wait_until, condition, within, what)
    return CLOCK.monotonic() - began


def state(node: NodeProcess, member: str) -> MemberStatus | None:
    """The status of a member."""
    return node.member(member)


def adapter_open(node: NodeProcess, name: str = "broker") -> Callable[[], bool]:
    """Whether an adapter is connected."""

    def look() -> bool:
        member = node.member(f"adapter/{name}")
        return member is not None and member.adapter is not None and member.adapter.state == "open"

    return look


def session_open(node: NodeProcess, name: str = "hq") -> Callable[[], bool]:
    """Whether an uplink has a session."""

    def look() -> bool:
        member = node.member(f"uplink/{name}")
        return member is not None and member.uplink is not None and member.uplink.link == "session open"

    return look


async def publish(
    port: int, numbers: Iterable[int], topic: str = "plant/1/telemetry", name: str = "publisher", pad: int = 20
) -> None:
    """Every number at QoS 1, in order, with `pad` bytes that do not compress; returns when the broker has them all."""
    random = Random(1)
    async with RawClient(port, p.Connect(name)) as client:
        payloads = [b'{"n": %d, "pad": "%s"}' % (i, random.randbytes(pad).hex().encode()) for i in numbers]
        for start in range(0, len(payloads), 100):
            await client.publish_many(topic, payloads[start : start + 100])


def assert_once(values: list[object], wanted: Iterable[object], hint: str = "") -> None:
    """Every wanted value once, nothing else."""
    doubles = {value: count for value, count in Counter(values).items() if count > 1}
    assert not doubles, f"stored twice: {list(doubles.items())[:10]} {hint}"
    missing = sorted(set(wanted) - set(values))
    assert not missing, f"{len(missing)} missing: {missing[:10]} {hint}"
    assert not set(values) - set(wanted)


def listening(pids: set[int]) -> set[str]:
    """`address:port` that processes listen on, by /proc."""
    inodes = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                inodes[fields[9]] = fields[1]
    found = set()
    for pid in pids:
        try:
            for fd in Path(f"/proc/{pid}/fd").iterdir():
                name = str(fd.readlink())
                if name.startswith("socket:[") and name[8:-1] in inodes:
                    found.add(inodes[name[8:-1]])
        except OSError:
            continue
    return found


def running(pids: set[int]) -> set[int]:
    """Those that are there and no zombies."""
    alive = set()
    for pid in pids:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X"):
                alive.add(pid)
        except OSError:
            continue
    return alive


def assert_nothing_left(node: NodeProcess, family: set[int], within: float = 5.0) -> None:
    """No process and no `node.json` of a node that has ended."""
    wait_until(lambda: not running(family), within, lambda: f"left behind: {running(family)} of {family}")
    assert not (node.data / NODE_FILE).exists()


def answers(node: NodeProcess) -> bool:
    """Whether a status can be had."""
    try:
        node.status()
    except NoNode:
        return False
    return True


def rss_kb(pids: Iterable[int]) -> int:
    """Resident set of processes, kB."""
    total = 0
    for pid in pids:
        try:
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS"):
                    total += int(line.split()[1])
        except OSError:
            continue
    return total


def descriptors(pid: int) -> int:
    """Open file descriptors of a process."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))

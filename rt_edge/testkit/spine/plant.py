"""Plant: configurations of an edge and an upstream node for the end-to-end tests, and the nodes that run them."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path

from rt_edge.testkit.node_process import wait_until
from rt_edge.testkit.spine.supervised import SupervisedNode

BROKER = """\
  broker:
    kind: mqtt
    url: mqtt://127.0.0.1:{mqtt}
    version: "5"
    window_messages: {window}
    subscribe:
      - {{topic: "plant/{{device}}/telemetry", qos: 1, codec: json}}
"""

GRAPH = """\
  telemetry:
    - from: broker
    - filter: temp > -40
    - set: {fahrenheit: temp * 9 / 5 + 32}
    - to: hq
"""

UPSTREAM = """\
node: {{id: up-1, data: {folder}/up}}
stores: {{main: {{kind: sqlite, path: store/main.db}}}}
ingress: {{listen: "127.0.0.1:{ingress}", store: main}}
"""


def modbus_line(
    name: str, channel: str, units: Mapping[str, int], every: str, timeout: str = "500ms", retry_max: str = "60s"
) -> str:
    """An adapter `name` that reads ten registers of each unit."""
    lines = [
        f"  {name}:",
        "    kind: modbus",
        f"    retry_max: {retry_max}",
        f"    channel: {{{channel}, timeout: {timeout}}}",
        "    units:",
    ]
    points = "polls: {holding: 0}, " + ", ".join(f"r{i}: {{holding: {i}}}" for i in range(1, 10))
    lines += [f"      {unit}: {{unit: {number}, every: {every}, points: {{{points}}}}}" for unit, number in units.items()]
    return "\n".join(lines) + "\n"


def edge_config(folder: Path, adapters: Mapping[str, str], ingress: int, spool: str = "64MB") -> str:
    """An edge node with an island for each adapter, each graph and the uplink.

    Args:
        adapters: name -> its lines, as of `BROKER` and `modbus_line`; all that are called `broker` go through one graph, the
            others through a second one.
    """
    text = f"node: {{id: hall-3, data: {folder}/edge}}\nisland: each\nadapters:\n" + "".join(adapters.values()) + "graphs:\n"
    if "broker" in adapters:
        text += GRAPH
    lines = [name for name in adapters if name != "broker"]
    if lines:
        text += f"  polled:\n    - from: [{', '.join(lines)}]\n    - set: {{twice: r1 * 2}}\n    - to: hq\n"
    return text + f'uplinks:\n  hq: {{peers: ["127.0.0.1:{ingress}"], spool: {{max: {spool}, when_full: block}}}}\n'


class Plant:
    """An edge node and an upstream node under supervision.

    Args:
        folder: where everything is.
        adapters: of the edge node, see `edge_config`.
        spool: quota.

    Attributes:
        edge, upstream: the nodes. store: the file of the upstream store.
    """

    def __init__(self, folder: Path, adapters: Mapping[str, str], spool: str = "64MB") -> None:
        ingress = free_port()
        environment = {"RT_EDGE_BACKOFF_S": "1"}
        self.edge = self._node(folder, "edge", edge_config(folder, adapters, ingress, spool), environment)
        self.upstream = self._node(folder, "up", UPSTREAM.format(folder=folder, ingress=ingress), environment)
        self.store = folder / "up" / "store" / "main.db"

    def _node(self, folder: Path, name: str, text: str, environment: dict[str, str]) -> SupervisedNode:
        config = folder / f"{name}.yaml"
        config.write_text(text)
        return SupervisedNode(config, folder / name, folder / f"{name}.log", environment)

    def start(self) -> None:
        """Start both; returns when every adapter is open."""
        self.upstream.start()
        self.edge.start()
        wait_until(self.edge.running, 30, lambda: f"the edge node does not run: {self.edge.node.log()[-3000:]}")

    def stop(self) -> tuple[int, int]:
        """Stop both, in order; their exit codes."""
        try:
            return self.edge.stop(), self.upstream.stop()
        finally:
            self.upstream.stop()

    def logs(self) -> str:
        """The ends of both logs."""
        return f"edge:\n{self.edge.node.log()[-4000:]}\nupstream:\n{self.upstream.node.log()[-1500:]}"


def free_port() -> int:
    """A TCP port that nobody had a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""Sparkplug B as a host application sees it: births, aliases, sequence numbers, deaths (Eclipse Sparkplug 3.0, 5 and 6).

State is kept for every edge node and its devices, in memory: births are not retained, so after a start of this process an edge
node is asked for its births (NCMD, `Node Control/Rebirth`) as soon as it says something that is not understood.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import msgspec

from adapters.mqtt.seam import Message
from adapters.mqtt.sparkplug_payload import Metric, decode_payload, rebirth_request, values_of
from rt_edge.sdk import AdapterContext, CodecError, Reading, Value
from rt_edge.sdk.payload.values import MAX_FIELDS

NAMESPACE = "spBv1.0"
MAX_NODES = 4096
"""Edge nodes that are remembered."""
MAX_DEVICES = 4096
"""Devices of one edge node."""
MAX_NAMES = 65_536
"""Metrics of one edge node with its devices."""
REBIRTH_EVERY_S = 30.0
"""At most one request for births to one edge node in this time."""
GOOD, STALE = 192, 500
_KINDS = frozenset({"NBIRTH", "NDEATH", "DBIRTH", "DDEATH", "NDATA", "DDATA"})


class _Known(msgspec.Struct):
    """A metric as its birth described it."""

    name: str
    datatype: int


class _Device(msgspec.Struct):
    """A device, or (with the name "") the edge node itself; `last` is what is sent again, stale, when it dies."""

    alive: bool = False
    types: dict[str, int] = {}
    last: dict[str, Value] = {}


class _Node(msgspec.Struct):
    """An edge node."""

    born: bool = False
    birth: int | None = None
    seq: int | None = None
    asked: float = float("-inf")
    aliases: dict[int, _Known] = {}
    devices: dict[str, _Device] = {}


class SparkplugHost:
    """Decodes what edge nodes publish.

    Args:
        context: for time, counters and the log.
        command: publishes (topic, payload) at QoS 0; asks for births.
        ask: whether births are asked for.
    """

    def __init__(self, context: AdapterContext, command: Callable[[str, bytes], None], ask: bool = True) -> None:
        self._context = context
        self._command = command
        self._ask = ask
        self._nodes: dict[tuple[str, str], _Node] = {}

    def readings(self, message: Message, received: int) -> list[Reading]:
        """The Readings of one message; none for commands and host states.

        Raises:
            CodecError: not a topic or payload of Sparkplug B.
        """
        levels = message.topic.split("/")
        if len(levels) < 4 or levels[0] != NAMESPACE:
            if levels[:2] == [NAMESPACE, "STATE"]:
                return []
            raise CodecError(f"no topic of Sparkplug B: {NAMESPACE}/GROUP/TYPE/NODE[/DEVICE]")
        group, kind, name = levels[1:4]
        if kind in ("NCMD", "DCMD"):
            return []  # of other hosts
        device = levels[4] if len(levels) == 5 else ""
        if kind not in _KINDS or len(levels) > 5 or (kind[0] == "D") != bool(device):
            raise CodecError(f"no topic of Sparkplug B: {kind} with {len(levels)} levels")
        node = self._node(group, name)
        payload = decode_payload(message.payload or b"")
        source = f"{self._context.name}/{group}/{name}{f'/{device}' if device else ''}"
        tags = {"group": group, "node": name, **({"device": device} if device else {})}
        stamp = payload.time_ms * 1_000_000 if payload.time_ms is not None and payload.time_ms < 1 << 43 else received
        if kind == "NDEATH":
            return list(self._node_died(node, payload.metrics, f"{self._context.name}/{group}/{name}", stamp, received, tags))
        fresh = self._in_order(node, kind, payload.seq, message.dup)
        if kind == "DDEATH":
            return self._device_died(node, device, source, stamp, received, tags)
        if kind == "NBIRTH":
            self._born(node, payload.metrics)
        unknown = not fresh or not node.born
        if kind == "DBIRTH":
            self._device(node, device).types.clear()
        if kind in ("NBIRTH", "DBIRTH"):
            self._learn(node, device, payload.metrics)
        rows, missing = self._rows(node, device, payload.metrics, stamp)
        if unknown or missing or not self._device(node, device).alive:
            self._want_births(node, group, name)
        return [Reading(source, at, fields, _quality(said, unknown), tags, received) for (at, said), fields in rows.items()]

    def _node(self, group: str, name: str) -> _Node:
        node = self._nodes.get((group, name))
        if node is None:
            if len(self._nodes) >= MAX_NODES:
                raise CodecError(f"more than {MAX_NODES} edge nodes")
            node = self._nodes[group, name] = _Node(aliases={}, devices={})
        return node

    def _device(self, node: _Node, name: str) -> _Device:
        device = node.devices.get(name)
        if device is None:
            if len(node.devices) >= MAX_DEVICES:
                raise CodecError(f"more than {MAX_DEVICES} devices of one edge node")
            device = node.devices[name] = _Device(types={}, last={})
        return device

    def _in_order(self, node: _Node, kind: str, seq: int | None, dup: bool) -> bool:
        """Whether nothing is missing before this message (6.4.9: 0 to 255, all but deaths of nodes and commands)."""
        before, node.seq = node.seq, seq
        if kind == "NBIRTH" or seq is None:
            return seq is not None
        if before is not None and seq == (before + 1) & 255:
            return True
        if dup and before is not None:
            node.seq = before  # sent again by the broker: it was counted, or what is missing shows at the next one
            return True
        if node.born:
            self._context.count("sparkplug_gaps")
        return False

    def _born(self, node: _Node, metrics: list[Metric]) -> None:
        node.born = True
        node.birth = _birth_number(metrics)
        node.aliases.clear()
        for device in node.devices.values():
            device.alive = False
            device.types.clear()

    def _learn(self, node: _Node, name: str, metrics: list[Metric]) -> None:
        device = self._device(node, name)
        device.alive = True
        device.last.clear()
        for metric in metrics:
            if len(node.aliases) >= MAX_NAMES or len(device.types) >= MAX_NAMES:
                raise CodecError(f"more than {MAX_NAMES} metrics of one edge node")
            if metric.name:
                device.types[metric.name] = metric.datatype
                if metric.alias is not None:
                    node.aliases[metric.alias] = _Known(metric.name, metric.datatype)

    def _rows(
        self, node: _Node, device_name: str, metrics: list[Metric], stamp: int
    ) -> tuple[dict[tuple[int, int | None], dict[str, Value]], bool]:
        """(time, quality) -> fields; and whether a metric is not known."""
        device = self._device(node, device_name)
        rows: dict[tuple[int, int | None], dict[str, Value]] = {}
        missing = False
        for metric in metrics:
            known = node.aliases.get(metric.alias) if metric.alias is not None and not metric.name else None
            name = metric.name or (known.name if known else "")
            if not name:
                missing = True
                self._context.count("dropped_sparkplug_unknown_alias")
                continue
            if name == "bdSeq":
                continue  # the session, not a measurement
            datatype = metric.datatype or (known.datatype if known else device.types.get(name, 0))
            try:
                values = values_of(metric, name, datatype)
            except CodecError as error:
                self._context.count("dropped_sparkplug_metric")
                self._context.log("debug", "a metric was dropped", why=error.message)
                continue
            at = stamp if metric.time_ms is None or metric.time_ms >= 1 << 43 else metric.time_ms * 1_000_000
            row = rows.setdefault((at, metric.quality), {})
            row.update(values)
            if len(row) > MAX_FIELDS:
                raise CodecError(f"more than {MAX_FIELDS} metrics with one time")
            if not metric.historical and len(device.last) < MAX_FIELDS:
                device.last.update(values)
        return {key: fields for key, fields in rows.items() if fields}, missing

    def _node_died(
        self, node: _Node, metrics: list[Metric], source: str, stamp: int, received: int, tags: dict[str, str]
    ) -> Iterator[Reading]:
        """The last values of the node and of its devices, stale; none where the death is of an earlier session (6.4.11)."""
        number = _birth_number(metrics)
        if node.born and node.birth is not None and number is not None and number != node.birth:
            self._context.count("sparkplug_old_deaths")
            return
        node.born, node.seq = False, None
        for name, device in node.devices.items():
            was, device.alive = device.alive, False
            if was and device.last:
                about = {**tags, **({"device": name} if name else {})}
                yield _stale(device, f"{source}/{name}" if name else source, stamp, received, about)

    def _device_died(self, node: _Node, name: str, source: str, stamp: int, received: int, tags: dict[str, str]) -> list[Reading]:
        device = self._device(node, name)
        was, device.alive = device.alive, False
        return [_stale(device, source, stamp, received, tags)] if was and device.last else []

    def _want_births(self, node: _Node, group: str, name: str) -> None:
        now = self._context.clock.monotonic()
        if self._ask and now - node.asked >= REBIRTH_EVERY_S:
            node.asked = now
            self._context.count("sparkplug_rebirths")
            payload = rebirth_request(self._context.clock.wall_ns() // 1_000_000)
            self._command(f"{NAMESPACE}/{group}/NCMD/{name}", payload)


def _quality(said: int | None, unknown: bool) -> Literal["good", "uncertain", "bad", "stale"]:
    """Of a Reading: what the metric says of itself, and whether something before it may be missing."""
    if said is None or said == GOOD:
        return "uncertain" if unknown else "good"
    return "stale" if said == STALE else "bad"


def _birth_number(metrics: list[Metric]) -> int | None:
    """`bdSeq`: which birth a death belongs to."""
    for metric in metrics:
        if metric.name == "bdSeq" and metric.raw is not None and isinstance(metric.raw[1], int):
            return metric.raw[1]
    return None


def _stale(device: _Device, source: str, stamp: int, received: int, tags: dict[str, str]) -> Reading:
    return Reading(source, stamp, dict(device.last), "stale", tags, received)

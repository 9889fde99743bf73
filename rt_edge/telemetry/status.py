"""What a node says of itself: a snapshot, as msgspec structs; shown by `rt-edge status`, polled by the window.

Counters only grow within one life of a member; rates are made by whoever asks twice.
"""

from __future__ import annotations

from typing import Any

import msgspec


class GraphNodeStatus(msgspec.Struct):
    """One graph node.

    Attributes:
        received, emitted: elements, over all inlets and outlets.
        demand: elements wanted at its outlets and not pushed so far; -1: unbounded.
        buffered: elements in the slots at its outlets.
        dropped: by reason.
        errors: exceptions in user code.
        counters: all others.
    """

    name: str
    kind: str
    received: int = 0
    emitted: int = 0
    demand: int = 0
    buffered: int = 0
    dropped: dict[str, int] = {}
    errors: int = 0
    counters: dict[str, int] = {}
    stopped: bool = False


class WireStatus(msgspec.Struct):
    """One wire inside a member: elements and chunks delivered, demand (-1: unbounded), elements in its slot."""

    name: str
    passed: int
    chunks: int
    demand: int
    buffered: int


class SilentStatus(msgspec.Struct):
    """A source of an adapter that gives nothing just now although it is asked: why, and for how many seconds."""

    reason: str
    for_s: float


class AdapterStatus(msgspec.Struct):
    """The adapter of a member. `silent`: its sources that give nothing just now, while the adapter itself may be well."""

    kind: str
    state: str
    error: str
    delivery: str
    backpressure: str
    window: int | None
    counters: dict[str, int] = {}
    gauges: dict[str, float] = {}
    silent: dict[str, SilentStatus] = {}


class UplinkStatus(msgspec.Struct):
    """The uplink of a member: its link, its spool and what upstream has confirmed.

    `counters`: reports by their code, and `sessions`, `sent_records`, `resent_records`, `unconfirmed_records` (and
    their bytes); "unconfirmed" is what was sent in this session and is not confirmed. `disk`: what is wrong with it, if the
    spool takes nothing for that.
    """

    link: str
    peer: str
    records: int
    readings: int
    bytes: int
    oldest: int | None
    full: bool
    confirmed: int
    last: int
    counters: dict[str, int] = {}
    disk: str = ""


class IngressStatus(msgspec.Struct):
    """The ingress of a member: sessions and what was stored.

    `counters`: reports by their code, and of the delivery `sessions`, `received_records`, `repeated_records`, `commits`, ...
    """

    listen: str
    sessions: list[str]
    stored_records: int
    stored_readings: int
    counters: dict[str, int] = {}


class WaitStatus(msgspec.Struct):
    """Where a member waits in which nothing moves.

    Attributes:
        node: the graph node that waits for no other one.
        waits_for: element, demand, time, work, nothing, cycle, turn: see `rt_edge.streams.stuck`.
        text: in words.
        idle: it is a source that has nothing to give, which is no fault.
    """

    node: str
    waits_for: str
    text: str
    idle: bool = False


class MemberStatus(msgspec.Struct):
    """A member: `adapter/plc`, `graph/telemetry`, `uplink/hq`, `ingress`.

    Attributes:
        still_s: seconds for which nothing has moved in it; 0: it moves.
        waits: where, and for what.
    """

    name: str
    state: str
    error: str = ""
    restarts: int = 0
    nodes: list[GraphNodeStatus] = []
    wires: list[WireStatus] = []
    adapter: AdapterStatus | None = None
    uplink: UplinkStatus | None = None
    ingress: IngressStatus | None = None
    still_s: float = 0.0
    waits: list[WaitStatus] = []


class IslandStatus(msgspec.Struct):
    """An island: one process."""

    name: str
    pid: int
    state: str
    error: str = ""
    starts: int = 1
    members: list[MemberStatus] = []
    post: dict[str, int] = {}


class NodeStatus(msgspec.Struct):
    """A node. `at`: when the snapshot was taken, monotonic seconds of the node's host, for rates."""

    node: str
    version: str
    pid: int
    at: float
    started: float
    islands: list[IslandStatus] = []


def encode(status: Any) -> bytes:
    """A status as MessagePack."""
    return msgspec.msgpack.encode(status)

"""NodePlan: what a node runs, as msgspec structs; the result of validation, made in a child process.

Long-lived processes import this module and never pydantic, ruamel.yaml, typer or rich (design 6, memory): they call `read_plan`
of `rt_edge.settings.launch`, or decode a plan that the main process hands on.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from rt_edge.sdk.adapter import Capability
from rt_edge.sdk.address import Address
from rt_edge.settings.frozen import Frozen, freeze
from rt_edge.settings.places import Problem
from rt_edge.streams.model import GraphModel

PLAN_VERSION = 1
"""Part of every encoded plan: a plan of another version is refused."""


class NodeInfo(msgspec.Struct, frozen=True):
    """Who this node is: its id, and the absolute path of its data directory."""

    id: str
    data: str


class TlsPlan(msgspec.Struct, frozen=True):
    """Absolute paths of the cluster's CA, this node's certificate and its key, all PEM."""

    ca: str
    cert: str
    key: str


class AdapterPlan(msgspec.Struct, frozen=True):
    """One adapter.

    Attributes:
        kind: entry point in `rt_edge.adapters`.
        settings: the validated settings as `rt_edge.settings.frozen.melt` wrote them; adapters get `frozen()`.
        capability: what an instance with these settings promises; None only in plans made by hand.
        startup: what to do if it cannot be opened at the start of the node.
    """

    kind: str
    settings: dict[str, Any]
    capability: Capability | None = None
    startup: Literal["fail", "retry", "ignore", "probe"] = "retry"

    def __repr__(self) -> str:
        return f"AdapterPlan({self.kind!r}, {self.frozen()!r})"  # masks secrets

    def frozen(self) -> Frozen:
        """The settings as the immutable object that an adapter's constructor and `capability` take."""
        frozen: Frozen = freeze(self.settings)
        return frozen


class SpoolPlan(msgspec.Struct, frozen=True):
    """Store-and-forward of an uplink: quota in bytes, what to do when it is full, most seconds a receipt waits for the commit."""

    max: int
    when_full: Literal["block", "drop_oldest"]
    max_wait: float


class UplinkPlan(msgspec.Struct, frozen=True):
    """One uplink.

    Attributes:
        peers: upstream nodes, in order of preference; they share one store.
        spool: its store-and-forward.
        window: most bytes sent and not confirmed.
        tls: None only if every peer is on loopback.
        commands: whether upstream may read and write writable points of this node.
    """

    peers: tuple[Address, ...]
    spool: SpoolPlan
    window: int
    tls: TlsPlan | None = None
    commands: bool = False


class IngressPlan(msgspec.Struct, frozen=True):
    """Where other nodes are accepted.

    Attributes:
        listen: host and port; port 0 takes a free one.
        store: the store that what comes in is written to.
        tls: None only on loopback.
        allow: node ids that may connect; empty: every node with a certificate of the CA.
    """

    listen: Address
    store: str
    tls: TlsPlan | None = None
    allow: tuple[str, ...] = ()


class StorePlan(msgspec.Struct, frozen=True):
    """One store: its kind and, for `sqlite`, the absolute path of its file."""

    kind: str
    path: str


class TelemetryPlan(msgspec.Struct, frozen=True):
    """Logs: least level that is written, and the form."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "text", "json"] = "auto"


class NodePlan(msgspec.Struct, frozen=True):
    """All that a node runs.

    Attributes:
        node: id and data directory.
        adapters, graphs, uplinks, stores: by name; names are unique over all of them.
        ingress: None: this node accepts no others.
        islands: island name -> members, each `adapter/NAME`, `graph/NAME`, `uplink/NAME` or `ingress`; every member is in one.
        telemetry: logs.
        config: absolute path of the file this was made from.
        digest: SHA-256 of that file, hexadecimal.
        version: `PLAN_VERSION`.
    """

    node: NodeInfo
    adapters: dict[str, AdapterPlan] = {}
    graphs: dict[str, GraphModel] = {}
    uplinks: dict[str, UplinkPlan] = {}
    ingress: IngressPlan | None = None
    stores: dict[str, StorePlan] = {}
    islands: dict[str, tuple[str, ...]] = {}
    telemetry: TelemetryPlan = TelemetryPlan()
    config: str = ""
    digest: str = ""
    version: int = PLAN_VERSION


class Code(msgspec.Struct, frozen=True):
    """Where the code is that a plan names: a running node imports it from there, and searches nothing.

    Attributes:
        adapters: kind -> `module:Class`.
        stages: kind -> module, of those that are not built in.
    """

    adapters: dict[str, str] = {}
    stages: dict[str, str] = {}


class PlanResult(msgspec.Struct, frozen=True):
    """What the validating child writes: a plan, and where its code is, or why there is none; warnings either way."""

    plan: NodePlan | None
    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    code: Code = Code()


_encoder = msgspec.msgpack.Encoder()


def encode_result(result: PlanResult) -> bytes:
    """`result` as MessagePack. It may hold literal secrets: give it to our own processes only."""
    return _encoder.encode(result)


def decode_result(data: bytes) -> PlanResult:
    """The inverse of `encode_result`.

    Raises:
        msgspec.DecodeError: not a result.
    """
    return msgspec.msgpack.decode(data, type=PlanResult)


def encode_plan(plan: NodePlan) -> bytes:
    """`plan` as MessagePack. It may hold literal secrets: give it to our own processes only."""
    return _encoder.encode(plan)


def decode_plan(data: bytes) -> NodePlan:
    """The inverse of `encode_plan`.

    Raises:
        msgspec.DecodeError: not a plan, or one of another version.
    """
    plan = msgspec.msgpack.decode(data, type=NodePlan)
    if plan.version != PLAN_VERSION:
        raise msgspec.ValidationError(f"plan of version {plan.version}, not {PLAN_VERSION}")
    return plan

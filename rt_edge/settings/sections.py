"""Models of the sections of a configuration file that are rt_edge's own; adapters and stages bring theirs.

The docstring under a field is what `rt-edge schema`, editors and error messages show.
"""

from __future__ import annotations

from typing import Literal

from rt_edge.data.record import MAX_RECORD
from rt_edge.data.units import Duration, Size
from rt_edge.sdk.settings import DurationField, Field, HostPort, Name, Settings, SizeField

NodeId = Name


class NodeSection(Settings):
    """Who this node is."""

    id: Name
    """Name of this node, unique in the cluster; it is in its certificate and in every record it sends."""

    data: str = Field(default="/var/lib/rt-edge", min_length=1)
    """Directory for spools, stores, keys and run-time files; relative to this file."""


class TlsSection(Settings):
    """Mutual TLS: both sides show a certificate of the cluster's CA."""

    ca: str = Field(min_length=1)
    """PEM file with the certificate of the cluster's CA; relative to this file, as are the next two."""

    cert: str = Field(min_length=1)
    """PEM file with this node's certificate."""

    key: str = Field(min_length=1)
    """PEM file with this node's private key, readable by the service only."""


class SpoolSection(Settings):
    """Store-and-forward on disk, of one uplink."""

    max: SizeField = Field(default=Size(256_000_000), ge=2 * MAX_RECORD)
    """Most bytes on disk."""

    when_full: Literal["block", "drop_oldest"] = "block"
    """`block`: sources are held back, nothing is lost; `drop_oldest`: the oldest records go, counted, with a gap record."""

    max_wait: DurationField = Field(default=Duration(0.02), gt=0, le=Duration(10.0))
    """Longest time a reading waits for the commit that makes it durable; 200ms is kind to SD cards."""


class UplinkSection(Settings):
    """The way to the cluster above."""

    peers: list[HostPort] = Field(min_length=1, max_length=16)
    """Upstream nodes, as host:port, in order of preference."""

    spool: SpoolSection = SpoolSection()
    """What is kept while they cannot be reached."""

    window: SizeField = Field(default=Size(1_000_000), ge=65_536, le=64_000_000)
    """Most bytes under way and not confirmed; at a long round trip a larger window is faster."""

    tls: TlsSection | None = None
    """Certificates; may be left out on loopback only."""

    commands: bool = False
    """Whether upstream nodes may read points of this node, and command those that are writable."""

    failover: Literal["shared_store"] | None = None
    """`shared_store`: all peers write to one and the same store. Needed for more than one peer."""

    island: Name | None = None
    """Name of the process it shares with others; without: one of its own."""


class IngressSection(Settings):
    """Where this node accepts other nodes."""

    listen: HostPort
    """Address to listen on, as host:port; 0.0.0.0 for all."""

    store: Name
    """Store that what comes in is written to."""

    tls: TlsSection | None = None
    """Certificates; may be left out on loopback only."""

    allow: list[Name] = []
    """Ids of the nodes that may connect; empty: every node with a certificate of the CA."""

    island: Name | None = None
    """Name of the process it shares with others; without: one of its own."""


class StoreSection(Settings):
    """Where readings end up."""

    kind: Literal["sqlite"]
    """Kind of store; `sqlite` is a file."""

    path: str | None = Field(default=None, min_length=1)
    """The file; relative to the data directory. Without: store/NAME.db."""


class TelemetrySection(Settings):
    """What the node says about itself."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is logged."""

    log_format: Literal["auto", "text", "json"] = "auto"
    """`auto`: text, with levels for journald under systemd."""


IslandMode = Literal["auto", "each", "all"]
"""`each`: a process for each adapter, graph and uplink; `all`: one for all; `auto`: `all` below 2 GB of memory."""


class FileSections(Settings):
    """A node of rt-edge: adapters bring readings in, graphs process them, uplinks and stores are where they go."""

    node: NodeSection
    """Who this node is."""

    adapters: dict[Name, dict[str, object]] = {}
    """Connections to devices, by name."""

    graphs: dict[Name, object] = {}
    """What happens to readings, by name: a list of steps from `from` to `to`, or `nodes` and `wires`."""

    uplinks: dict[Name, UplinkSection] = {}
    """Ways to the cluster above, by name."""

    ingress: IngressSection | None = None
    """Accept other nodes; upstream nodes have this."""

    stores: dict[Name, StoreSection] = {}
    """Where readings end up on this node, by name."""

    island: IslandMode = "auto"
    """How the work is put into processes: `each` is safest, `all` takes least memory, `auto` chooses by the memory."""

    telemetry: TelemetrySection = TelemetrySection()
    """What the node says about itself."""

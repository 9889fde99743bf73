"""Draft: what validation has made of a file so far; the cross checks and the plan are made from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rt_edge.sdk.adapter import Capability, DeviceAdapter
from rt_edge.sdk.runner import Startup
from rt_edge.settings.frozen import Frozen
from rt_edge.settings.places import Path
from rt_edge.settings.sections import IngressSection, NodeSection, StoreSection, TelemetrySection, UplinkSection
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.model import GraphModel


@dataclass(frozen=True)
class CheckedAdapter:
    """An adapter whose settings are valid.

    Attributes:
        kind: its kind.
        adapter: its class.
        data: its settings, melted.
        settings: its settings as a running adapter gets them.
        capability: what it promises with them.
        island: as written.
        startup: what to do if it cannot be opened at the start of the node.
    """

    kind: str
    adapter: type[DeviceAdapter]
    data: dict[str, Any]
    settings: Frozen
    capability: Capability
    island: str | None = None
    startup: Startup = "retry"


class End(NamedTuple):
    """A `from` or `to` in a graph: which of the two, whose name, where it is written, and the point that commands go to."""

    kind: str
    name: str
    path: Path
    point: str = ""


@dataclass
class Draft:
    """The valid parts of a file.

    Attributes:
        catalogue: the kinds of stages it was read with.
        names: section (`adapters`, `graphs`, `uplinks`, `stores`) -> every name in it, valid or not, so that a reference to
            something that is wrong in itself is not an error too.
        ends: every `from` and `to` of every graph, of those with errors too.
        islands: (section, name) -> `island` as written; ("ingress", "ingress") for the ingress.
    """

    catalogue: Catalogue
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    node: NodeSection | None = None
    adapters: dict[str, CheckedAdapter] = field(default_factory=dict)
    graphs: dict[str, GraphModel] = field(default_factory=dict)
    ends: list[End] = field(default_factory=list)
    uplinks: dict[str, UplinkSection] = field(default_factory=dict)
    ingress: IngressSection | None = None
    stores: dict[str, StoreSection] = field(default_factory=dict)
    telemetry: TelemetrySection = field(default_factory=TelemetrySection)
    island: str = "auto"
    islands: dict[tuple[str, str], str] = field(default_factory=dict)

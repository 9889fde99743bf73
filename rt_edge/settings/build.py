"""Draft -> NodePlan: absolute paths, islands, plain data."""

from __future__ import annotations

import sys
from pathlib import Path

from rt_edge.settings.draft import Draft
from rt_edge.settings.plan import (
    AdapterPlan,
    Code,
    IngressPlan,
    NodeInfo,
    NodePlan,
    SpoolPlan,
    StorePlan,
    TelemetryPlan,
    TlsPlan,
    UplinkPlan,
)
from rt_edge.settings.sections import IngressSection, TlsSection
from rt_edge.streams.model import END_PORTS
from rt_edge.streams.stages.index import KINDS

SMALL_MEMORY = 2_000_000_000
"""Below so many bytes of memory `island: auto` means `all` (design 6)."""

MEMBER = {"adapters": "adapter", "graphs": "graph", "uplinks": "uplink"}


def build_plan(draft: Draft, file: Path, digest: str, memory: int) -> NodePlan:
    """The plan of a draft without errors.

    Args:
        draft: with a node section.
        file: the configuration file; relative paths in it start at its directory.
        digest: SHA-256 of the file.
        memory: bytes of the machine's memory, for `island: auto`.
    """
    assert draft.node is not None
    base = file.resolve().parent
    data = base / draft.node.data
    uplinks = {
        name: UplinkPlan(
            peers=tuple(uplink.peers),
            spool=SpoolPlan(int(uplink.spool.max), uplink.spool.when_full, float(uplink.spool.max_wait)),
            window=int(uplink.window),
            tls=_tls(uplink.tls, base),
            commands=uplink.commands,
        )
        for name, uplink in draft.uplinks.items()
    }
    return NodePlan(
        node=NodeInfo(draft.node.id, str(data)),
        adapters={name: AdapterPlan(a.kind, a.data, a.capability, a.startup) for name, a in draft.adapters.items()},
        graphs=draft.graphs,
        uplinks=uplinks,
        ingress=_ingress(draft.ingress, base),
        stores={name: StorePlan(s.kind, str(data / (s.path or f"store/{name}.db"))) for name, s in draft.stores.items()},
        islands=islands(draft, memory),
        telemetry=TelemetryPlan(draft.telemetry.log_level, draft.telemetry.log_format),
        config=str(file.resolve()),
        digest=digest,
    )


def code_of(plan: NodePlan, draft: Draft) -> Code:
    """Where the classes are that a plan needs; one that its module does not have under its name is left out: it is searched."""
    adapters = {a.kind: a.adapter for a in draft.adapters.values()}
    kinds = {node.kind for graph in plan.graphs.values() for node in graph.nodes} - END_PORTS.keys() - KINDS.keys()
    stages = {kind: draft.catalogue.stage_type(kind) for kind in kinds}
    return Code(
        {kind: f"{c.__module__}:{c.__qualname__}" for kind, c in adapters.items() if _is_found(c)},
        {kind: c.__module__ for kind, c in stages.items() if _is_found(c)},
    )


def _is_found(cls: type) -> bool:
    return getattr(sys.modules.get(cls.__module__), cls.__qualname__, None) is cls


def _tls(tls: TlsSection | None, base: Path) -> TlsPlan | None:
    return None if tls is None else TlsPlan(str(base / tls.ca), str(base / tls.cert), str(base / tls.key))


def _ingress(ingress: IngressSection | None, base: Path) -> IngressPlan | None:
    if ingress is None:
        return None
    return IngressPlan(ingress.listen, ingress.store, _tls(ingress.tls, base), tuple(ingress.allow))


def islands(draft: Draft, memory: int) -> dict[str, tuple[str, ...]]:
    """Island name -> members. Without `island`, each member is one, called like it: `adapter-plc`, `uplink-hq`, `ingress`."""
    members = [(section, name) for section in MEMBER for name in draft.names[section]]
    if draft.ingress is not None:
        members.append(("ingress", "ingress"))
    everything = draft.island == "all" or (draft.island == "auto" and memory < SMALL_MEMORY)
    found: dict[str, list[str]] = {}
    for section, name in members:
        kind = MEMBER.get(section, "ingress")
        own = "ingress" if section == "ingress" else f"{kind}-{name}"
        written = draft.islands.get((section, name))
        island = "all" if everything else f"island-{written}" if written else own
        found.setdefault(island, []).append("ingress" if section == "ingress" else f"{kind}/{name}")
    return {name: tuple(inside) for name, inside in found.items()}


def memory_bytes(meminfo: Path = Path("/proc/meminfo")) -> int:
    """The machine's memory; large when it cannot be known, so that islands stay apart."""
    try:
        for line in meminfo.read_text(encoding="ascii").splitlines():
            if line.startswith("MemTotal:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        return SMALL_MEMORY
    return SMALL_MEMORY

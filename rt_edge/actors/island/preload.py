"""What an island needs, found and imported once, by the main process before it forks (design 6): all of a node share that memory.

A module that is imported after the fork costs each island its own copy, and the pages that importing writes to. What is installed
is not searched: the child that has checked the configuration did it, and says where the code is.
"""

from __future__ import annotations

import gc
import importlib
import logging

from rt_edge.actors.layout import INGRESS, lay_out
from rt_edge.sdk.registry import Registry
from rt_edge.settings.plan import Code, NodePlan
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.model import END_PORTS

log = logging.getLogger(__name__)

RARE = {"uplink", "store", INGRESS}
"""Kinds of members whose modules the runtime imports only where there is one."""

JUNCTIONS = {"broadcast", "merge"}
"""Kinds of stages that members add where a graph does not name them (`wiring`)."""


class Found:
    """What this process, or one that it was forked from, has found: None until it is needed."""

    catalogue: Catalogue | None = None
    registry: Registry | None = None


def catalogue() -> Catalogue:
    """The stages that the node uses: of `preload`, else all that are installed."""
    if Found.catalogue is None:
        Found.catalogue = Catalogue.installed()
    return Found.catalogue


def registry() -> Registry:
    """The adapters that the node uses: of `preload`, else all that are installed."""
    if Found.registry is None:
        Found.registry = Registry.installed()
    return Found.registry


def preload(plan: NodePlan, code: Code) -> None:
    """Import all that the islands of a plan will use, and keep the garbage collector from writing to it.

    Args:
        plan: of the whole node.
        code: where its adapters and stages are; kinds that it does not name are searched among what is installed.

    Raises:
        ConfigError: an adapter or a stage cannot be loaded.
    """
    kinds = {adapter.kind for adapter in plan.adapters.values()}
    steps = {node.kind for graph in plan.graphs.values() for node in graph.nodes} - END_PORTS.keys() | JUNCTIONS
    Found.registry = Registry.named(code.adapters) if kinds <= code.adapters.keys() else None
    named = Catalogue.named(code.stages)
    Found.catalogue = named if steps.issubset(named.kinds()) else None
    importlib.import_module("rt_edge.actors.island.runtime")
    parts = {name.partition("/")[0] for members in lay_out(plan).islands.values() for name in members}
    for part in sorted(parts & RARE):
        importlib.import_module(f"rt_edge.actors.island.{part}_member")
    for kind in sorted(steps):
        catalogue().stage_type(kind)
    said = set()
    for one in plan.adapters.values():
        adapter = registry().load(one.kind)
        try:
            adapter.preload(one.frozen())
        except Exception as error:  # noqa: BLE001  # it fails again where it is needed, and is told there: not the whole node
            if one.kind not in said:
                log.warning("adapter kind %s: what it imports cannot be shared by islands: %s", one.kind, error)
            said.add(one.kind)
    if any(adapter.capability is not None and adapter.capability.writable for adapter in plan.adapters.values()):
        importlib.import_module("rt_edge.actors.island.adapter_commands")
    gc.collect()
    gc.freeze()

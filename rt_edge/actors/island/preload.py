"""What an island needs, found and imported once, by the main process before it forks (design 6): all of a node share that memory.

A module that is imported after the fork costs each island its own copy, and the pages that importing writes to; finding entry
points reads the metadata of every installed distribution.
"""

from __future__ import annotations

import gc
import importlib
import logging
from functools import cache

from rt_edge.sdk.registry import Registry
from rt_edge.settings.plan import NodePlan
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.model import END_PORTS

log = logging.getLogger(__name__)

_RUNTIME = "rt_edge.actors.island.runtime"
_MEMBERS = "rt_edge.actors.island."

JUNCTIONS = {"broadcast", "merge"}
"""Kinds of stages that members add where a graph does not name them (`wiring`)."""


@cache
def catalogue() -> Catalogue:
    """Stages that are installed here; found at the first call in a process or in one that it was forked from."""
    return Catalogue.installed()


@cache
def registry() -> Registry:
    """Adapters that are installed here; found as `catalogue`."""
    return Registry.installed()


def preload(plan: NodePlan) -> None:
    """Import all that the islands of a plan will use, and keep the garbage collector from writing to it.

    Raises:
        ConfigError: an adapter or a stage cannot be loaded.
    """
    importlib.import_module(_RUNTIME)
    if plan.uplinks:
        importlib.import_module(_MEMBERS + "uplink_member")
    if plan.stores:
        importlib.import_module(_MEMBERS + "store_member")
    if plan.ingress is not None:
        importlib.import_module(_MEMBERS + "ingress_member")
    kinds = {node.kind for graph in plan.graphs.values() for node in graph.nodes} - END_PORTS.keys()
    for kind in sorted(kinds | JUNCTIONS):
        catalogue().stage_type(kind)
    for kind in sorted({adapter.kind for adapter in plan.adapters.values()}):
        adapter = registry().load(kind)
        try:
            adapter.preload()
        except Exception as error:  # noqa: BLE001  # it fails again where it is needed, and is told there: not the whole node
            log.warning("adapter kind %s: what it imports cannot be shared by islands: %s", kind, error)
    gc.collect()
    gc.freeze()

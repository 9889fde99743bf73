"""A configuration file -> Checked: a plan, or every error; warnings; and the place of everything in it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Protocol, get_args

from rt_edge.data.errors import ConfigError
from rt_edge.sdk.registry import Registry
from rt_edge.settings.adapters import read_adapter
from rt_edge.settings.build import build_plan, code_of, memory_bytes
from rt_edge.settings.cross import check_all
from rt_edge.settings.draft import Draft
from rt_edge.settings.graphs import GraphReader
from rt_edge.settings.places import Place, Problem
from rt_edge.settings.plan import Code, NodePlan, PlanResult
from rt_edge.settings.planning import check_graphs
from rt_edge.settings.report import Report
from rt_edge.settings.sections import (
    FileSections,
    IngressSection,
    IslandMode,
    NodeSection,
    StoreSection,
    TelemetrySection,
    UplinkSection,
)
from rt_edge.settings.validate import validate
from rt_edge.settings.wording import describe
from rt_edge.settings.yaml_text import TEXT_BYTES_MAX, read_yaml
from rt_edge.settings.yaml_tree import YamlRefused
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.model import nearest_hint

Check = Callable[[NodePlan, Draft, Report], None]
"""A later check, such as the planner's: reports through `report.graph_error`, `report.error`, `report.warn`."""

ENTRIES_MAX = 1_000
"""Most entries in one section."""


class _Island(Protocol):
    island: str | None


@dataclass(frozen=True)
class Checked:
    """What a file says.

    Attributes:
        plan: None if there are errors.
        errors, warnings: in the order of their places.
        draft: the valid parts, with adapters' classes and capabilities; None if the text could not be read at all.
        report: knows the places.
    """

    plan: NodePlan | None
    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    draft: Draft | None = None
    report: Report | None = None

    def result(self) -> PlanResult:
        """For `encode_result`."""
        code = code_of(self.plan, self.draft) if self.plan is not None and self.draft is not None else Code()
        return PlanResult(self.plan, self.errors, self.warnings, code)


def load(
    file: FilePath,
    *,
    registry: Registry | None = None,
    catalogue: Catalogue | None = None,
    checks: Sequence[Check] = (),
    memory: int | None = None,
) -> Checked:
    """Read and check a configuration file. Never raises for what is in it, or if it cannot be read.

    Args:
        file: the file.
        registry: kinds of adapters; default: those installed.
        catalogue: kinds of stages; default: those installed.
        checks: run, in order, on a plan without errors, after the planner.
        memory: bytes, for `island: auto`; default: this machine's.
    """
    name = str(file)
    try:
        with file.open("rb") as stream:
            data = stream.read(TEXT_BYTES_MAX + 1)
    except OSError as error:
        problem = Problem(Place(name), "", f"cannot be read: {error.strerror}", "name a readable file")
        return Checked(None, (problem,), ())
    try:
        root = read_yaml(data, name)
    except YamlRefused as error:
        return Checked(None, tuple(error.problems), ())
    report = Report(root, name)
    try:
        draft = Draft(catalogue or Catalogue.installed())
        _read(root.plain(), draft, report, registry or Registry.installed())
    except ConfigError as error:  # two packages bring one kind: nothing can be said about the file
        report.error((), error.message, error.hint)
        return Checked(None, tuple(report.errors), ())
    plan = None
    if not report.errors:
        digest = hashlib.sha256(data).hexdigest()
        plan = build_plan(draft, file, digest, memory_bytes() if memory is None else memory)
        for check in (check_graphs, *checks):
            try:
                check(plan, draft, report)
            except ConfigError as error:
                report.error((), error.message, error.hint)
    errors, warnings = tuple(sorted(report.errors)), tuple(sorted(report.warnings))
    return Checked(None if errors else plan, errors, warnings, draft, report)


def _read(value: Any, draft: Draft, report: Report, registry: Registry) -> None:
    if not isinstance(value, dict):
        report.error((), f"must be a mapping, not {describe(value)}", "start with `node: {id: NAME, data: DIRECTORY}`")
        return
    known = FileSections.model_fields
    for key in value:
        if key not in known:
            report.error((key,), f"unknown key {key!r}", nearest_hint(key, known), key=True)
    if "node" not in value:
        report.error(("node",), "`node` is missing", "add node: {id: NAME, data: DIRECTORY}")
    else:
        draft.node = validate(NodeSection, value["node"], ("node",), report)
    entries = {section: _entries(value, section, report) for section in ("adapters", "graphs", "uplinks", "stores")}
    draft.names = {section: tuple(found) for section, found in entries.items()}
    _read_adapters(entries["adapters"], draft, report, registry)
    _read_graphs(entries["graphs"], draft, report)
    _read_ends(entries["uplinks"], entries["stores"], draft, report)
    _read_rest(value, draft, report)
    check_all(draft, report)


def _read_adapters(entries: dict[str, Any], draft: Draft, report: Report, registry: Registry) -> None:
    for name, raw in entries.items():
        _note_island(draft, report, "adapters", name, raw)
        adapter = read_adapter(name, raw, registry, report)
        if adapter is not None:
            draft.adapters[name] = adapter


def _read_graphs(entries: dict[str, Any], draft: Draft, report: Report) -> None:
    for name, raw in entries.items():
        _note_island(draft, report, "graphs", name, raw)
        reader = GraphReader(name, draft.catalogue, report)
        graph = reader.read(raw)
        draft.ends += reader.ends()
        if graph is not None:
            draft.graphs[name] = graph


def _read_ends(uplinks: dict[str, Any], stores: dict[str, Any], draft: Draft, report: Report) -> None:
    for name, raw in uplinks.items():
        uplink = validate(UplinkSection, raw, ("uplinks", name), report)
        if uplink is not None:
            draft.uplinks[name] = uplink
            _keep_island(draft, "uplinks", name, uplink)
    for name, raw in stores.items():
        store = validate(StoreSection, raw, ("stores", name), report)
        if store is not None:
            draft.stores[name] = store


def _read_rest(value: dict[str, Any], draft: Draft, report: Report) -> None:
    if value.get("ingress") is not None:
        draft.ingress = validate(IngressSection, value["ingress"], ("ingress",), report)
        if draft.ingress is not None:
            _keep_island(draft, "ingress", "ingress", draft.ingress)
    if value.get("telemetry") is not None:
        draft.telemetry = validate(TelemetrySection, value["telemetry"], ("telemetry",), report) or draft.telemetry
    island = value.get("island", "auto")
    if island in get_args(IslandMode):
        draft.island = island
    else:
        report.error(("island",), f"{describe(island)} is not one of {', '.join(get_args(IslandMode))}")


def _entries(value: dict[str, Any], section: str, report: Report) -> dict[str, Any]:
    found = value.get(section)
    if found is None:
        return {}
    if not isinstance(found, dict):
        report.error((section,), f"must be a mapping from names, not {describe(found)}", f"{section}: {{NAME: ...}}")
        return {}
    if len(found) > ENTRIES_MAX:
        report.error((section,), f"has {len(found)} entries, more than {ENTRIES_MAX}", "make several nodes")
        return {}
    return found


def _note_island(draft: Draft, report: Report, section: str, name: str, raw: Any) -> None:
    island = raw.get("island") if isinstance(raw, dict) else None
    if isinstance(island, str):
        draft.islands[section, name] = island
    elif island is not None:
        report.error((section, name, "island"), f"must be a text, not {describe(island)}", "write the name of an island")


def _keep_island(draft: Draft, section: str, name: str, model: _Island) -> None:
    if model.island is not None:
        draft.islands[section, name] = model.island

"""Graphs as written -> GraphModel, with the place of every graph node and wire.

Short form, a list from `from` to `to`:            General form, with any wiring:

    - from: [plc, broker]                              nodes:
    - deadband: {field: pressure, absolute: 0.05}        plc: {from: plc}
    - filter: temperature > -40                          hot: {filter: temperature > 60, at: [200, 40]}
    - to: hq                                             hq: {to: hq}
                                                       wires:
                                                         - plc -> hot -> hq

A step is a kind with its properties; beside it may stand `id` (short form) and `at` (where the window draws it). Several names
behind `from` get a `merge`, several behind `to` a `broadcast`; `to: {command: plc/pump-1/setpoint}` ends in a point of a device.
An end of a wire is `node.port`, or `node`: its next free port.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any, NamedTuple

from rt_edge.data.errors import ConfigError
from rt_edge.settings.command_ends import read_command
from rt_edge.settings.draft import End
from rt_edge.settings.places import Path
from rt_edge.settings.report import Report
from rt_edge.settings.wording import describe
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.model import FROM, TO, GraphModel, NodeModel, WireModel, nearest_hint

STEPS_MAX = 1_000
"""Most graph nodes of one graph."""

FAN_MAX = 64
"""Most inlets of a merge that a list behind `from` makes."""

_ARROW = re.compile(r"\s*->\s*")
_AT_MAX = 1e6


class Step(NamedTuple):
    """One graph node as written: its kind, what stands behind it, and the path of that."""

    kind: str
    value: Any
    path: Path
    id: str | None = None
    position: tuple[float, float] | None = None


class GraphReader:
    """Reads one graph; `read` may be called once.

    Args:
        name: the graph's name.
        catalogue: kinds of stages.
        report: gets every error.
    """

    def __init__(self, name: str, catalogue: Catalogue, report: Report) -> None:
        self.name = name
        self.catalogue = catalogue
        self.report = report
        self.nodes: dict[str, NodeModel] = {}
        self.wires: list[WireModel] = []
        self.used: set[tuple[str, str, str]] = set()
        self.sound = True
        self.complete = True  # every graph node could be read well enough to know that it is there

    def read(self, value: Any) -> GraphModel | None:
        """The graph; None after reporting every error."""
        path: Path = ("graphs", self.name)
        if isinstance(value, dict) and "steps" in value:
            self._known_keys(value, path, ("steps", "island"))
            self._short(value["steps"], (*path, "steps"))
        elif isinstance(value, dict):
            self._known_keys(value, path, ("nodes", "wires", "island", "steps"))
            if self.sound or "nodes" in value:
                self._general(value, path)
        else:
            self._short(value, path)
        model = GraphModel(tuple(self.nodes.values()), tuple(self.wires))
        was_sound = self.sound
        for problem in model.validate(self.catalogue.ports):
            # where steps or wires could not be read, what seems not wired or unknown may follow from that
            if was_sound or (problem.wire is not None and self.complete):
                self.report.graph_error(self.name, problem)
            self.sound = False
        return model if self.sound else None

    def ends(self) -> list[End]:
        """Every `from` and `to` that could be read."""
        ends = [node for node in self.nodes.values() if node.kind in {FROM, TO}]
        return [
            End(node.kind, node.properties["name"], self.report.nodes[self.name, node.id], node.properties.get("command", ""))
            for node in ends
            if node.properties["name"]
        ]

    def _error(self, path: Path, message: str, hint: str = "", *, key: bool = False) -> None:
        self.sound = False
        self.report.error(path, message, hint, key=key)

    def _known_keys(self, value: dict[str, Any], path: Path, known: tuple[str, ...]) -> None:
        for key in value:
            if key not in known:
                self._error((*path, key), f"unknown key {key!r}", nearest_hint(key, known), key=True)

    # -- the short form ----------------------------------------------------------------------------------------------

    def _short(self, value: Any, path: Path) -> None:
        if not isinstance(value, list) or not value:
            self._error(
                path, f"must be a list of steps, not {describe(value)}", "begin with `- from: ADAPTER`, end with `- to: UPLINK`"
            )
            return
        if len(value) > STEPS_MAX:
            self._error(path, f"has {len(value)} steps, more than {STEPS_MAX}", "split it")
            return
        steps = [self._step(raw, (*path, index), with_id=True) for index, raw in enumerate(value)]
        before: list[str] = []
        for index, step in enumerate(steps):
            if step is None:
                continue
            if step.kind == FROM and index > 0:
                self._error(
                    step.path, "`from` is not the first step", "the short form has one `from`; use nodes and wires for more"
                )
            elif step.kind == TO and index < len(steps) - 1:
                self._error(step.path, "steps come after `to`", "put `to` last; `to: [a, b]` sends to both")
            else:
                before = self._append(step, before)
        for step, kind, where in ((steps[0], FROM, "first"), (steps[-1], TO, "last")):
            if step is not None and step.kind != kind and not self._is_end(step, kind):
                self._error(step.path[:-1], f"the {where} step is `{step.kind}`, not `{kind}`", f"add `- {kind}: NAME`")

    def _is_end(self, step: Step, wanted: str) -> bool:
        """Whether a stage is a source or a sink by itself, or unknown or wrong (reported elsewhere)."""
        if step.kind in {FROM, TO} or step.kind not in self.catalogue.kinds():
            return step.kind not in {FROM, TO}
        ports = self.catalogue.ports(NodeModel("x", step.kind, self.catalogue.properties(step.kind, step.value)))
        return ports is None or not (ports.inlets if wanted == FROM else ports.outlets)

    def _append(self, step: Step, before: list[str]) -> list[str]:
        """Add the graph nodes of a step behind the outlets `before`; returns its outlets."""
        if step.kind not in {FROM, TO}:
            node = self._stage(step)
            self._join(before, node, step.path)
            return [node]
        if step.kind == TO and isinstance(step.value, dict):
            self._join(before, self._command(step), step.path)
            return []
        names = self._end_names(step)
        if step.kind == TO and len(names) > 1:
            fan_out = self._helper("broadcast", len(names), step)
            self._join(before, fan_out, step.path)
            before = [fan_out]
        ends = []
        for name, path in names:
            ends.append(self._add(step, step.id if step.id and len(names) == 1 else name.replace(".", "-"), {"name": name}, path))
            if step.kind == TO:
                self._join(before, ends[-1], path)
        if step.kind == TO or len(names) < 2:
            return [] if step.kind == TO else ends
        while len(ends) > 1:  # more than one merge can take: merges of merges
            groups = [ends[start : start + FAN_MAX] for start in range(0, len(ends), FAN_MAX)]
            ends = [self._merged(group, step) if len(group) > 1 else group[0] for group in groups]
        return ends

    def _merged(self, ends: list[str], step: Step) -> str:
        merge = self._helper("merge", len(ends), step)
        self._join(ends, merge, step.path)
        return merge

    def _helper(self, kind: str, branches: int, step: Step) -> str:
        """A `merge` or `broadcast` with so many branches: its one whole-number property says how many."""
        try:
            properties = self.catalogue.properties(kind, branches)
        except ConfigError as error:
            self._error(step.path, error.message, error.hint)
            properties = {}
        else:
            for wrong in self.catalogue.check(kind, properties).errors:
                self._error(step.path, f"`{step.kind}` names {branches}; {kind}: {wrong.message}", wrong.hint)
        return self._add(Step(kind, None, step.path), kind, properties, step.path)

    def _join(self, sources: list[str], target: str, path: Path) -> None:
        for source in sources:
            self._wire(source, target, path)

    # -- the general form --------------------------------------------------------------------------------------------

    def _general(self, value: dict[str, Any], path: Path) -> None:
        nodes, wires = value.get("nodes"), value.get("wires")
        if not isinstance(nodes, dict) or not nodes:
            self._error(
                (*path, "nodes"), "a graph is a list of steps, or has `nodes` and `wires`", "nodes: {ID: {KIND: PROPERTIES}}"
            )
            return
        if len(nodes) > STEPS_MAX:
            self._error((*path, "nodes"), f"has {len(nodes)} graph nodes, more than {STEPS_MAX}", "split it")
            return
        for node_id, raw in nodes.items():
            step = self._step(raw, (*path, "nodes", node_id), with_id=False)
            if step is None:
                continue
            if step.kind == TO and isinstance(step.value, dict):
                self._command(step._replace(id=node_id), exact=True)
            elif step.kind in {FROM, TO}:
                names = self._end_names(step)
                if len(names) > 1:
                    self._error(step.path, f"`{step.kind}` names {len(names)}", "one graph node for each; wire them to a merge")
                for name, end_path in names[:1]:
                    self._add(step, node_id, {"name": name}, end_path, exact=True)
            else:
                self._stage(step._replace(id=node_id), exact=True)
        if not isinstance(wires, list):
            self._error((*path, "wires"), f"must be a list, not {describe(wires)}", "- plc -> filter -> hq")
            return
        for index, raw in enumerate(wires):
            self._written_wire(raw, (*path, "wires", index))

    def _written_wire(self, raw: Any, path: Path) -> None:
        parts = _ARROW.split(raw.strip()) if isinstance(raw, str) else []
        if len(parts) < 2 or not all(parts):
            self._error(path, f"{describe(raw)} is not a wire", "write a -> b, or a.port -> b.port")
            return
        for source, target in pairwise(parts):
            self._wire(source, target, path)

    # -- both --------------------------------------------------------------------------------------------------------

    def _step(self, raw: Any, path: Path, *, with_id: bool) -> Step | None:
        if isinstance(raw, str) and " " not in raw:
            raw = {raw: None}
        if not isinstance(raw, dict):
            self.complete = False
            self._error(path, f"must be a step, not {describe(raw)}", "write KIND: PROPERTIES, like `filter: temperature > -40`")
            return None
        kinds = [key for key in raw if key != "at" and not (key == "id" and with_id)]
        if len(kinds) != 1:
            self.complete = False
            many = f"a step has one kind; here are {', '.join(kinds)}" if kinds else "a step has a kind"
            self._error(
                path, many, "properties stand under the kind, two spaces further in" if kinds else "write KIND: PROPERTIES"
            )
            return None
        node_id = raw.get("id") if with_id else None
        if node_id is not None and not isinstance(node_id, str):
            self._error((*path, "id"), f"must be a text, not {describe(node_id)}")
            node_id = None
        return Step(kinds[0], raw[kinds[0]], (*path, kinds[0]), node_id, self._position(raw.get("at"), (*path, "at")))

    def _position(self, value: Any, path: Path) -> tuple[float, float] | None:
        if value is None:
            return None
        good = isinstance(value, list) and len(value) == 2
        if good and all(isinstance(v, (int, float)) and not isinstance(v, bool) and abs(v) <= _AT_MAX for v in value):
            return float(value[0]), float(value[1])
        self._error(path, f"must be [x, y], not {describe(value)}", "the window writes it; it changes nothing that runs")
        return None

    def _command(self, step: Step, *, exact: bool = False) -> str:
        """A `to` whose readings are commands."""
        properties = read_command(step.value, step.path, self._error)
        name = "-".join(re.findall(r"[a-z0-9]+", str(step.value.get("command", "command")).lower())) or "command"
        return self._add(step, step.id or name[:60], properties or {"name": ""}, step.path, exact=exact or step.id is not None)

    def _end_names(self, step: Step) -> list[tuple[str, Path]]:
        value = step.value
        names = value if isinstance(value, list) else [value]
        if not names or not all(isinstance(name, str) and name for name in names):
            what = "an adapter" if step.kind == FROM else "an uplink, a store or an adapter that writes"
            self._error(
                step.path, f"`{step.kind}` needs the name of {what}, not {describe(value)}", f"{step.kind}: NAME or [A, B]"
            )
            return []
        if len(set(names)) != len(names):
            self._error(step.path, f"`{step.kind}` names one thing twice", "name each once")
            return []
        paths = [(*step.path, index) for index in range(len(names))] if isinstance(value, list) else [step.path]
        return list(zip(names, paths, strict=True))

    def _stage(self, step: Step, *, exact: bool = False) -> str:
        try:
            properties = self.catalogue.properties(step.kind, step.value)
        except ConfigError:
            known = [*self.catalogue.kinds(), FROM, TO]
            self._error(step.path, f"there is no stage {step.kind!r}", nearest_hint(step.kind, known), key=True)
            return self._add(step, step.id or step.kind, {}, step.path, exact=exact)
        for wrong in self.catalogue.check(step.kind, properties).errors:
            # with the shorthand, the property's name is not in the file
            short = wrong.path and not (isinstance(step.value, dict) and wrong.path[0] in step.value)
            self._error((*step.path, *(wrong.path[1:] if short else wrong.path)), wrong.message, wrong.hint, key=wrong.unknown)
        return self._add(step, step.id or step.kind, properties, step.path, exact=exact or step.id is not None)

    def _add(self, step: Step, node_id: str, properties: dict[str, Any], path: Path, *, exact: bool = False) -> str:
        unique, n = node_id, 2
        while unique in self.nodes and not exact:
            unique, n = f"{node_id}-{n}", n + 1
        if unique in self.nodes:
            self._error(path, f"two graph nodes are called {unique!r}", "give one of them another id")
        self.nodes[unique] = NodeModel(unique, step.kind, properties, step.position)
        self.report.nodes[self.name, unique] = path
        return unique

    def _wire(self, source: str, target: str, path: Path) -> None:
        wire = WireModel(self._port(source, "outlet"), self._port(target, "inlet"))
        self.report.wires[self.name, len(self.wires)] = path
        self.wires.append(wire)

    def _port(self, text: str, side: str) -> str:
        node, _, port = text.partition(".")
        if not port:
            model = self.nodes.get(node)
            ports = self.catalogue.ports(model) if model is not None else None
            names = () if ports is None else ports.outlets if side == "outlet" else ports.inlets
            free = [name for name in names if (node, side, name) not in self.used]
            port = (free or [*names] or ["out" if side == "outlet" else "in"])[0]
        self.used.add((node, side, port))
        return f"{node}.{port}"

"""Catalogue: kinds of stages that a configuration can name, and how a stage is made of a node's properties.

A kind is a `Stage` class with a `kind`: those that `rt_edge.streams.stages.index` lists, and third parties' by the entry points
`rt_edge.stages`. A module is imported when its kind is used: a node that uses three stages does not pay for a hundred. The fields
of a stage are the properties. `- filter: temperature > -40` gives one property without its name: the field that the class
attribute `shorthand` names, else the first required one, else the first. The class attribute `written` names those that have to
be written although Python code may leave them out.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from rt_edge.data.errors import ConfigError, InternalError
from rt_edge.streams.convert import PropertyError, convert_property, property_schema
from rt_edge.streams.model import END_PORTS, NodeModel, Ports, nearest_hint
from rt_edge.streams.stage import Stage
from rt_edge.streams.stages.index import KINDS

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "rt_edge.stages"


class StageCheck(NamedTuple):
    """A stage, or why there is none: `stage` is None exactly if there are `errors`."""

    stage: Stage | None
    errors: list[PropertyError]


class Catalogue:
    """Kinds of stages, as a value: tests make their own.

    Args:
        kinds: stage classes by their kind, or the names of the modules in which they are.
    """

    def __init__(self, kinds: Mapping[str, type[Stage] | str]) -> None:
        self._kinds = dict(sorted(kinds.items()))

    @classmethod
    def built_in(cls) -> Catalogue:
        """The stages of `rt_edge.streams.stages`."""
        return cls(_built_in())

    @classmethod
    def installed(cls) -> Catalogue:
        """The built-in stages and those of other distributions.

        Raises:
            ConfigError: two stages of one kind, or an entry point that does not lead to a stage.
        """
        from importlib.metadata import entry_points  # brings email: a running node does without (`named`)

        kinds: dict[str, type[Stage] | str] = _built_in()
        for point in entry_points(group=GROUP):
            stage = _load(point)
            if stage.kind in kinds:
                known = kinds[stage.kind]
                other = known if isinstance(known, str) else known.__module__
                raise ConfigError(f"two stages of kind {stage.kind!r}: {other} and {stage.__module__}", "uninstall one of them")
            kinds[stage.kind] = stage
        return cls(kinds)

    @classmethod
    def named(cls, modules: Mapping[str, str]) -> Catalogue:
        """The built-in stages and those of other distributions that are known to be there, as names of their modules by kind:
        nothing is searched, nothing imported yet."""
        return cls({**modules, **_built_in()})

    def kinds(self) -> tuple[str, ...]:
        """All kinds, sorted."""
        return tuple(self._kinds)

    def stage_type(self, kind: str) -> type[Stage]:
        """The class of a kind.

        Raises:
            ConfigError: no such kind.
        """
        found = self._kinds.get(kind)
        if found is None:
            raise ConfigError(f"there is no stage {kind!r}", nearest_hint(kind, self._kinds))
        if isinstance(found, str):
            found = self._kinds[kind] = _find(found, kind)
        return found

    def properties(self, kind: str, value: Any) -> dict[str, Any]:
        """Properties by name from what stands behind the kind in a configuration: a mapping, one value, or nothing.

        Raises:
            ConfigError: no such kind.
        """
        stage = self.stage_type(kind)
        if value is None:
            return {}
        fields = msgspec.structs.fields(stage)
        names = {field.encode_name for field in fields}
        named: str | None = getattr(stage, "shorthand", None)
        if isinstance(value, dict):
            takes_all = named is not None and not names.issuperset(value) and convertible_mapping(fields, named)
            return {named: value} if takes_all and named is not None else dict(value)
        if named is None:
            required = [field.encode_name for field in fields if field.required]
            named = (required or [field.encode_name for field in fields] or [""])[0]
        return {named: value} if named else {"": value}

    def check(self, kind: str, properties: Mapping[str, Any]) -> StageCheck:
        """Make a stage; on failure, every error of its properties at once."""
        try:
            stage = self.stage_type(kind)
        except ConfigError as error:
            return StageCheck(None, [PropertyError((), error.message, error.hint)])
        fields = {field.encode_name: field for field in msgspec.structs.fields(stage)}
        errors: list[PropertyError] = []
        values: dict[str, Any] = {}
        for name, value in properties.items():
            field = fields.get(name)
            if field is None:
                errors.append(_unknown(kind, name, fields))
                continue
            converted, wrong = convert_property(field.type, value, (name,))
            errors += wrong
            values[field.name] = converted
        for name, field in fields.items():
            if name not in properties and _is_required(stage, field):
                errors.append(PropertyError((), f"`{name}` is missing", _field_doc(stage, name)))
        if errors:
            return StageCheck(None, errors)
        try:
            return StageCheck(stage(**values), [])
        except ConfigError as error:
            each: Mapping[str, ConfigError] = getattr(error, "by_target", {"": error})
            return StageCheck(
                None, [PropertyError(_blamed(one, properties, name), one.message, one.hint) for name, one in each.items()]
            )
        except (ValueError, TypeError) as error:
            return StageCheck(None, [PropertyError((), str(error))])

    def stage(self, node: NodeModel) -> Stage:
        """The stage of a graph node.

        Raises:
            ConfigError: with every error of the node in its message.
        """
        stage, errors = self.check(node.kind, node.properties)
        if stage is None:
            raise ConfigError(f"graph node {node.id!r}: " + "; ".join(str(e) for e in errors))
        return stage

    def ports(self, node: NodeModel) -> Ports | None:
        """Ports of a graph node; None if its kind or its properties are wrong. For `GraphModel.validate`."""
        if node.kind in END_PORTS:
            return END_PORTS[node.kind]
        stage = self.check(node.kind, node.properties).stage
        if stage is None:
            return None
        return Ports(tuple(p.name for p in stage.inlets), tuple(p.name for p in stage.outlets))

    def schema(self, kind: str) -> dict[str, Any]:
        """JSON Schema of what may stand behind a kind in a configuration.

        Raises:
            ConfigError: no such kind.
        """
        stage = self.stage_type(kind)
        fields = msgspec.structs.fields(stage)
        properties = {field.encode_name: property_schema(field, _field_doc(stage, field.encode_name)) for field in fields}
        required = [field.encode_name for field in fields if _is_required(stage, field)]
        full: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
        if required:
            full["required"] = required
        choices = [full]
        short = next(iter(self.properties(kind, 0)), "") if fields else ""
        if short and set(required) <= {short}:
            choices.append({k: v for k, v in properties[short].items() if k != "default"})
        if not required:
            choices.append({"type": "null"})
        summary = (stage.__doc__ or "").strip().split("\n", 1)[0]
        return {"description": summary, **(choices[0] if len(choices) == 1 else {"anyOf": choices})}


def _is_required(stage: type[Stage], field: msgspec.structs.FieldInfo) -> bool:
    """Whether a property has to be written: `written` names those whose default is for Python only."""
    return field.required or field.encode_name in getattr(stage, "written", ())


def convertible_mapping(fields: tuple[Any, ...], name: str) -> bool:
    """Whether the field `name` is itself a mapping with the user's keys."""
    kinds = [msgspec.inspect.type_info(field.type) for field in fields if field.encode_name == name]
    kinds = [inner for kind in kinds for inner in getattr(kind, "types", (kind,))]  # of a union: any of them
    return any(isinstance(kind, msgspec.inspect.DictType) for kind in kinds)


def _built_in() -> dict[str, type[Stage] | str]:
    return {kind: f"rt_edge.streams.stages.{module}" for kind, module in KINDS.items()}


def _find(module: str, kind: str) -> type[Stage]:
    """The stage of this kind in a module."""
    for stage in vars(importlib.import_module(module)).values():
        if isinstance(stage, type) and issubclass(stage, Stage) and stage.kind == kind and stage.__module__ == module:
            return stage
    raise InternalError(f"{module} has no stage of kind {kind!r}")


def _load(point: EntryPoint) -> type[Stage]:
    try:
        stage = point.load()
    except Exception as error:  # a third party's module may raise anything; the operator has to see which
        raise ConfigError(
            f"stage {point.name!r} ({point.value}) cannot be loaded: {error}", "reinstall or uninstall it"
        ) from error
    if not (isinstance(stage, type) and issubclass(stage, Stage) and stage.kind == point.name):
        raise ConfigError(f"entry point {point.name!r} ({point.value}) is not a Stage of that kind", "uninstall it")
    return stage


def _unknown(kind: str, name: str, fields: Mapping[str, Any]) -> PropertyError:
    if not fields:
        return PropertyError((name,) if name else (), f"`{kind}` has no properties", f"write `{kind}` alone")
    return PropertyError((name,), f"`{kind}` has no property {name!r}", nearest_hint(name, fields), unknown=True)


def _field_doc(stage: type[Stage], name: str) -> str:
    """What the stage's docstring says about a field: the text behind `name:` under its Attributes or Args."""
    lines = (stage.__doc__ or "").splitlines()
    for index, line in enumerate(lines):
        if line.strip().startswith(f"{name}:"):
            indent = len(line) - len(line.lstrip())
            text = [line.split(":", 1)[1].strip()]
            for more in lines[index + 1 :]:
                if not more.strip() or len(more) - len(more.lstrip()) <= indent:
                    break
                text.append(more.strip())
            return " ".join(text)
    return ""


def _blamed(error: ConfigError, properties: Mapping[str, Any], target: str = "") -> tuple[str | int, ...]:
    """The property whose text an error (of an expression) quotes as its source; in a mapping, where there is a `target`, that."""
    source = getattr(error, "source", None)
    for name, value in properties.items():
        if value is not None and value == source:
            return (name,)
        if isinstance(value, dict):
            for key, inner in value.items():
                if inner is not None and inner == source and target in ("", key):
                    return (name, key)
    return ()

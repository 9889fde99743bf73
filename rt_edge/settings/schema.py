"""JSON Schema (draft 2020-12) of a whole configuration file, for editors: our sections, each adapter kind, each stage kind."""

from __future__ import annotations

from typing import Any, get_args

from pydantic.json_schema import GenerateJsonSchema

from rt_edge.data.errors import ConfigError
from rt_edge.data.units import Duration, Size, show_duration, write_size
from rt_edge.sdk.address import Address
from rt_edge.sdk.registry import Registry
from rt_edge.sdk.runner import Startup
from rt_edge.sdk.settings import NAME_PATTERN
from rt_edge.settings.adapters import COMMON
from rt_edge.settings.command_ends import SCHEMA as COMMAND
from rt_edge.settings.sections import FileSections
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.model import FROM, TO

SCHEMA_ID = "https://json-schema.org/draft/2020-12/schema"

_NAMES: dict[str, Any] = {"type": "string", "pattern": NAME_PATTERN}
_END = {"anyOf": [_NAMES, {"type": "array", "items": _NAMES, "minItems": 1, "uniqueItems": True}]}
_POINT = {
    "type": "array",
    "items": {"type": "number"},
    "minItems": 2,
    "maxItems": 2,
    "description": "Where the window draws it: [x, y].",
}
_NODE_ID = {"type": "string", "pattern": r"^[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?$"}
_ISLAND = {**_NAMES, "description": COMMON["island"]}
_STARTUP = {"enum": list(get_args(Startup)), "default": "retry", "description": COMMON["startup"]}


class _Generator(GenerateJsonSchema):
    """Writes defaults as a user writes them."""

    def encode_default(self, dft: Any) -> Any:
        """`20ms` for a Duration, `64KiB` for a Size, `host:port` for an Address."""
        if isinstance(dft, Duration):
            return show_duration(dft)
        if isinstance(dft, Size):
            return write_size(dft)
        return str(dft) if isinstance(dft, Address) else super().encode_default(dft)


def whole_schema(registry: Registry, catalogue: Catalogue) -> dict[str, Any]:
    """The schema.

    Args:
        registry: an adapter kind that is not installed is accepted with any settings.
        catalogue: kinds of stages.
    """
    schema = FileSections.model_json_schema(ref_template="#/$defs/{model}", schema_generator=_Generator)
    definitions: dict[str, Any] = schema.setdefault("$defs", {})
    properties = schema["properties"]
    properties["adapters"]["additionalProperties"] = _adapters(registry, definitions)
    properties["graphs"]["additionalProperties"] = {"$ref": "#/$defs/Graph"}
    definitions |= _graphs(catalogue)
    for section in ("adapters", "graphs"):
        properties[section].pop("patternProperties", None)
        properties[section]["propertyNames"] = _NAMES
    _strict_names(schema)
    return {"$schema": SCHEMA_ID, **schema, "title": "rt-edge node"}


def _adapters(registry: Registry, definitions: dict[str, Any]) -> dict[str, Any]:
    choices = []
    for kind in registry.kinds():
        name = f"adapter-{kind}"
        definitions[name] = _adapter(kind, registry, definitions)
        is_kind = {"properties": {"kind": {"const": kind}}, "required": ["kind"]}
        choices.append({"if": is_kind, "then": {"$ref": f"#/$defs/{name}"}})
    known = {"enum": list(registry.kinds()), "description": COMMON["kind"]}
    entry: dict[str, Any] = {"type": "object", "required": ["kind"], "properties": {"kind": known}}
    return entry | ({"allOf": choices} if choices else {})


def _adapter(kind: str, registry: Registry, definitions: dict[str, Any]) -> dict[str, Any]:
    common = {"kind": {"const": kind, "description": COMMON["kind"]}, "island": _ISLAND, "startup": _STARTUP}
    try:
        model = registry.model(kind)
    except ConfigError as error:
        return {"type": "object", "description": f"Not installed here: {error}", "properties": common}
    schema: dict[str, Any] = model.model_json_schema(ref_template=f"#/$defs/{kind}.{{model}}", schema_generator=_Generator)
    definitions |= {f"{kind}.{name}": inner for name, inner in schema.pop("$defs", {}).items()}
    if "properties" not in schema:  # pydantic puts a recursive model behind a reference
        return schema
    schema["properties"] = common | schema["properties"]
    return schema


def _graphs(catalogue: Catalogue) -> dict[str, Any]:
    kinds: dict[str, Any] = {
        FROM: _END | {"description": "Adapters that readings come from."},
        TO: {"anyOf": [*_END["anyOf"], COMMAND], "description": "Uplinks, stores, adapters, or a point, that readings go to."},
    }
    kinds |= {kind: catalogue.schema(kind) for kind in catalogue.kinds()}
    bare = {"type": "string", "enum": list(catalogue.kinds())}
    one_kind = {"oneOf": [{"required": [kind]} for kind in kinds]}
    step = {"type": "object", "properties": kinds | {"id": _NODE_ID, "at": _POINT}, "additionalProperties": False, **one_kind}
    node = {"type": "object", "properties": kinds | {"at": _POINT}, "additionalProperties": False, **one_kind}
    steps = {"type": "array", "items": {"$ref": "#/$defs/Step"}, "minItems": 1}
    wire = {"type": "string", "pattern": r"^\s*[^\s>]+(\s*->\s*[^\s>]+)+\s*$", "examples": ["plc -> hot -> hq"]}
    general = {
        "type": "object",
        "properties": {
            "nodes": {"type": "object", "additionalProperties": {"$ref": "#/$defs/GraphNode"}, "propertyNames": _NODE_ID},
            "wires": {"type": "array", "items": wire},
            "island": _ISLAND,
        },
        "required": ["nodes", "wires"],
        "additionalProperties": False,
    }
    listed = {
        "type": "object",
        "properties": {"steps": steps, "island": _ISLAND},
        "required": ["steps"],
        "additionalProperties": False,
    }
    return {
        "Step": {"anyOf": [step, bare]} if catalogue.kinds() else step,
        "GraphNode": {"anyOf": [node, bare]} if catalogue.kinds() else node,
        "Graph": {"anyOf": [steps, general, listed], "description": "A list of steps, or graph nodes and wires."},
    }


def _strict_names(schema: Any) -> None:
    """Mappings from names: pydantic lets keys that are no names pass unchecked; here they are errors."""
    if isinstance(schema, dict):
        patterns = schema.get("patternProperties")
        if isinstance(patterns, dict) and len(patterns) == 1 and "additionalProperties" not in schema:
            del schema["patternProperties"]
            ((pattern, inner),) = patterns.items()
            schema |= {"additionalProperties": inner, "propertyNames": {"type": "string", "pattern": pattern}}
        for inner in schema.values():
            _strict_names(inner)
    elif isinstance(schema, list):
        for inner in schema:
            _strict_names(inner)

"""One property of a stage from plain data, by the field's type: all errors, in words; and its JSON Schema."""

from __future__ import annotations

import collections.abc
import enum
import functools
import operator
import re
import types
import typing
from pathlib import PurePath
from typing import Any, NamedTuple

import msgspec

from rt_edge.data.errors import ConfigError
from rt_edge.data.units import Duration, Size, parse_duration, parse_size, show_duration
from rt_edge.streams.model import nearest_hint

_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
    "bytes": "bytes",
}
_AT = re.compile(r" - at `[^`]*`\Z")


class PropertyError(NamedTuple):
    """What is wrong with a property; `path` leads to it from the node's properties, empty for the node as a whole.

    `unknown`: there is no such property, so its name is wrong, not its value.
    """

    path: tuple[str | int, ...]
    message: str
    hint: str = ""
    unknown: bool = False

    def __str__(self) -> str:
        where = ".".join(str(p) for p in self.path)
        return (f"{where}: " if where else "") + self.message + (f" ({self.hint})" if self.hint else "")


def convert_property(kind: Any, value: Any, path: tuple[str | int, ...]) -> tuple[Any, list[PropertyError]]:
    """`value` as the type `kind`; lists and mappings are gone through, so that each wrong item has its own error."""
    if _is_code(kind):
        return None, [PropertyError(path, "is a function, which cannot be written in a configuration", "leave it out")]
    kind = _configured(kind)
    origin = typing.get_origin(kind)
    args = typing.get_args(kind)
    if origin is dict and isinstance(value, dict):
        errors: list[PropertyError] = []
        made = {}
        for key, inner in value.items():
            made[key], wrong = convert_property(args[1], inner, (*path, key))
            errors += wrong
        return (made if errors else _convert(kind, made, value, path, errors)), errors
    many = origin is list or (origin is tuple and len(args) == 2 and args[1] is Ellipsis)
    if many and isinstance(value, (list, tuple)):
        errors = []
        items = []
        for index, inner in enumerate(value):
            item, wrong = convert_property(args[0], inner, (*path, index))
            items.append(item)
            errors += wrong
        return (list(items) if origin is list else tuple(items)), errors
    errors = []
    return _convert(kind, value, value, path, errors), errors


def _is_code(kind: Any) -> bool:
    """Whether only a function will do, or nothing at all."""
    kinds = typing.get_args(kind) if typing.get_origin(kind) in {typing.Union, types.UnionType} else (kind,)
    functions = [one for one in kinds if typing.get_origin(one) is collections.abc.Callable]
    return bool(functions) and len(functions) == len([one for one in kinds if one is not type(None)])


def _configured(kind: Any) -> Any:
    """What may be written for `kind`: Python code may also pass a number for a duration, or a function for an expression."""
    if typing.get_origin(kind) not in {typing.Union, types.UnionType}:
        return kind
    args = [arg for arg in typing.get_args(kind) if typing.get_origin(arg) is not collections.abc.Callable]
    custom = [arg for arg in args if arg in {Duration, Size}]
    if custom:
        args = [custom[0], *(arg for arg in args if arg is type(None))]
    return functools.reduce(operator.or_, args) if args else kind


def _convert(kind: Any, value: Any, written: Any, path: tuple[str | int, ...], errors: list[PropertyError]) -> Any:
    try:
        return msgspec.convert(value, kind, dec_hook=_custom)
    except msgspec.ValidationError as error:
        message, hint = _in_words(str(error), kind, written)
        errors.append(PropertyError(path, message, hint))
    except ConfigError as error:
        errors.append(PropertyError(path, error.message, error.hint))
    return None


def _custom(kind: type[Any], value: Any) -> Any:
    if isinstance(value, kind):
        return value
    if kind is Duration:
        return parse_duration(value)
    if kind is Size:
        return Size(value) if type(value) is int and value >= 0 else parse_size(value)  # bytes, for whom writes a bare number
    if issubclass(kind, PurePath) and isinstance(value, str) and value:
        return kind(value)
    parse = getattr(kind, "parse", None)  # an author's own type: a classmethod `parse(value)` that raises ConfigError
    if parse is not None:
        return parse(value)
    raise ConfigError(f"a {kind.__name__} cannot be written in a configuration", "use it from Python")


def _choices(kind: Any) -> list[str]:
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return [str(member.value) for member in kind]
    if typing.get_origin(kind) is typing.Literal:
        return [str(arg) for arg in typing.get_args(kind)]
    return [name for arg in typing.get_args(kind) for name in _choices(arg)]


def _in_words(text: str, kind: Any, value: Any) -> tuple[str, str]:
    """msgspec's message as a sentence: "must be a whole number, not a text"."""
    choices = _choices(kind)
    if choices and ("enum" in text or isinstance(value, str)):
        return f"{value!r} is not one of {', '.join(choices)}", nearest_hint(str(value), choices) if len(choices) > 3 else ""
    text = _AT.sub("", text)
    expected = re.match(r"Expected `([^`]+)`(.*)", text)
    if expected is None:
        return text[:1].lower() + text[1:], ""
    what = " or ".join(_WORDS.get(name.strip(), name.strip()) for name in expected[1].split("|") if name.strip() != "null")
    rest = expected[2]
    got = re.match(r", got `([^`]+)`", rest)
    if got:
        quotes = " (write it without quotes)" if got[1] == "str" and _is_number(value) else ""
        return f"must be {what}, not {_WORDS.get(got[1], got[1])}{quotes}", ""
    return f"must be {what}{rest}, not {value!r}", ""


def _is_number(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[-+]?[0-9.]+", value) is not None


def property_schema(field: msgspec.structs.FieldInfo, doc: str) -> dict[str, Any]:
    """JSON Schema of one property, with its description and default."""
    schema: dict[str, Any]
    try:
        schema = msgspec.json.schema(_configured(field.type), schema_hook=_custom_schema)
    except (TypeError, NotImplementedError):
        schema = {}  # only from Python: nothing is known about how it would be written
    schema = _inline(schema, schema.pop("$defs", {}), 0)
    if doc:
        schema["description"] = doc
    default = field.default
    if _configured(field.type) is Duration and isinstance(default, (int, float)):
        schema["default"] = show_duration(default)
    elif isinstance(default, enum.Enum):
        schema["default"] = default.value
    elif isinstance(default, (bool, int, float, str)):
        schema["default"] = int(default) if isinstance(default, Size) else default
    return schema


def _inline(schema: Any, definitions: dict[str, Any], depth: int) -> Any:
    """`schema` without references, so that it can stand inside another one; what refers to itself ends as anything."""
    if isinstance(schema, list):
        return [_inline(inner, definitions, depth) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    if name in definitions:
        named = _inline(definitions[name], definitions, depth + 1) if depth < 8 else {}
        return {key: inner for key, inner in named.items() if key != "title"}
    return {key: _inline(inner, definitions, depth) for key, inner in schema.items()}


def _custom_schema(kind: type[Any]) -> dict[str, Any]:
    if kind is Duration:
        return {"type": "string", "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*(us|ms|s|min|m|h|d)\s*$"}
    if kind is Size:
        units = r"^\s*[0-9]+(\.[0-9]+)?\s*(B|kB|KB|MB|GB|KiB|MiB|GiB)\s*$"
        return {"anyOf": [{"type": "string", "pattern": units}, {"type": "integer", "minimum": 0}]}
    return {"type": "string"} if hasattr(kind, "parse") or issubclass(kind, PurePath) else {}

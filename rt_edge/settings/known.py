"""Which keys a settings model knows at a location, with what its author wrote about them."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Union

from pydantic import BaseModel

DEEPEST = 4
"""How many levels down a key that is written too high is looked for."""


def keys_at(model: type[BaseModel], loc: tuple[str | int, ...]) -> dict[str, str]:
    """Key -> description, of every model that may stand at `loc` below `model`.

    Args:
        model: where the location starts.
        loc: a pydantic location; names of union branches in it choose the branch.
    """
    found: dict[str, str] = {}
    for kind in _kinds_at(model, loc):
        for name, field in _fields(kind).items():
            found[field.alias or name] = (field.description or "").strip().split("\n", 1)[0]
    return found


def place_below(model: type[BaseModel], loc: tuple[str | int, ...], key: str) -> str:
    """Where `key` belongs, if that is below `loc`: `channel`, `units > NAME > points`; empty if nothing there knows it.

    People write a setting a level too high; the nearest place that knows it is meant. Args as for `keys_at`.
    """
    seen: set[int] = set()
    level: list[tuple[tuple[str, ...], Any]] = [((), kind) for kind in _kinds_at(model, loc)]
    for _ in range(DEEPEST):
        level = [((*path, *step), below) for path, kind in level if _first(kind, seen) for step, below in _below(kind)]
        for path, kind in level:
            if path and any(key in {name, field.alias} for name, field in _fields(kind).items()):
                return " > ".join(path)
    return ""


def _first(kind: Any, seen: set[int]) -> bool:
    """Whether `kind` was not looked into before: models may hold themselves."""
    found = id(kind) in seen
    seen.add(id(kind))
    return not found


def _below(kind: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each step down from `kind`, as it is written, and what may stand there."""
    for name, field in _fields(kind).items():
        for inner in alternatives(field.annotation):
            yield (field.alias or name,), inner
    args, origin = typing.get_args(kind), typing.get_origin(kind)
    if args and isinstance(origin, type):
        named = issubclass(origin, dict)
        for inner in alternatives(args[1] if named else args[0]):
            yield ("NAME",) if named else (), inner


def _kinds_at(model: type[BaseModel], loc: tuple[str | int, ...]) -> list[Any]:
    kinds: list[Any] = [model]
    for element in loc:
        kinds = _step(kinds, element)
    return kinds


def _fields(kind: Any) -> dict[str, Any]:
    return dict(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else {}


def alternatives(annotation: Any) -> list[Any]:
    """An annotation without Annotated, None and Union: what is left, each once."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        return alternatives(typing.get_args(annotation)[0])
    if origin in {Union, types.UnionType}:
        return [kind for arg in typing.get_args(annotation) if arg is not type(None) for kind in alternatives(arg)]
    return [annotation]


def _step(kinds: Iterable[Any], element: str | int) -> list[Any]:
    found: list[Any] = []
    branches = [kind for kind in kinds if getattr(kind, "__name__", None) == element]
    for kind in kinds:
        for name, field in _fields(kind).items():
            if element in {name, field.alias}:
                found += alternatives(field.annotation)
        args = typing.get_args(kind)
        origin = typing.get_origin(kind)
        if args and isinstance(origin, type):
            found += alternatives(args[1] if issubclass(origin, dict) else args[0])
    return found or branches or list(kinds)

"""Which keys a settings model knows at a location, with what its author wrote about them."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable
from typing import Annotated, Any, Union

from pydantic import BaseModel


def keys_at(model: type[BaseModel], loc: tuple[str | int, ...]) -> dict[str, str]:
    """Key -> description, of every model that may stand at `loc` below `model`.

    Args:
        model: where the location starts.
        loc: a pydantic location; names of union branches in it choose the branch.
    """
    kinds: list[Any] = [model]
    for element in loc:
        kinds = _step(kinds, element)
    found: dict[str, str] = {}
    for kind in kinds:
        for name, field in _fields(kind).items():
            found[field.alias or name] = (field.description or "").strip().split("\n", 1)[0]
    return found


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

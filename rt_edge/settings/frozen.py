"""Settings as plain data and back as an immutable object, without pydantic on the side that reads them.

`melt` (in the validating child) turns a settings model into values MessagePack can carry; `freeze` (in a running node) makes the
object that an adapter gets: same attribute names, lists as tuples, `dict[str, Model]` fields as read-only mappings.

The written form: a dict is an object, except one with a key below as its only key (no attribute is called like that).

    {"%map": {...}}         a mapping with the user's keys
    {"%secret": {...}}      a Secret, not resolved (literal, file or env)
    {"%path": "..."}        a pathlib.Path
    {"%set": [...]}         a frozenset
    {"%address": [h, p]}    an Address
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rt_edge.data.errors import InternalError
from rt_edge.sdk.address import Address
from rt_edge.sdk.secret import Secret


class Frozen:
    """An immutable object with the attributes it was made with. Equal if all attributes are; shows secrets masked.

    Not a mapping: `vars(settings)` gives the attributes for a generic caller.
    """

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        self.__dict__.update(attributes)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"settings are immutable: {name!r} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"settings are immutable: {name!r} cannot be deleted")

    def __getattr__(self, name: str) -> Any:
        # only called when the attribute is missing; declared so that type checkers let adapters read any attribute
        raise AttributeError(f"the settings have no {name!r}, only {', '.join(sorted(self.__dict__))}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Frozen) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash(tuple(sorted(self.__dict__)))

    def __repr__(self) -> str:
        return "Settings(" + ", ".join(f"{k}={_show(v)}" for k, v in self.__dict__.items()) + ")"

    def __reduce__(self) -> tuple[Any, ...]:
        return freeze, (melt_plain(self),)


def _show(value: Any) -> str:
    return repr(dict(value)) if isinstance(value, MappingProxyType) else repr(value)


def freeze(value: Any) -> Any:
    """What `melt` wrote, as immutable objects."""
    if isinstance(value, dict):
        if len(value) == 1:
            (key, inner), *_ = value.items()
            if key == "%map":
                return MappingProxyType({k: freeze(v) for k, v in inner.items()})
            if key == "%secret":
                return Secret(**inner)
            if key == "%path":
                return Path(inner)
            if key == "%set":
                return frozenset(freeze(v) for v in inner)
            if key == "%address":
                return Address(*inner)
        return Frozen({k: freeze(v) for k, v in value.items()})
    if isinstance(value, (list, tuple)):
        return tuple(freeze(v) for v in value)
    return value


def melt_plain(value: Any) -> Any:
    """The written form of a value without pydantic models in it.

    Raises:
        InternalError: a type that cannot be carried: the settings model has a field that is neither plain nor known here.
    """
    if isinstance(value, Frozen):
        return {k: melt_plain(v) for k, v in vars(value).items()}
    if isinstance(value, Mapping):
        return {"%map": {str(k): melt_plain(v) for k, v in value.items()}}
    if isinstance(value, Secret):
        return {"%secret": value.spec()}
    if isinstance(value, Path):
        return {"%path": str(value)}
    if isinstance(value, Address):
        return {"%address": [value.host, value.port]}
    if isinstance(value, (list, tuple)):
        return [melt_plain(v) for v in value]
    if isinstance(value, (set, frozenset)):
        return {"%set": [melt_plain(v) for v in sorted(value)]}
    for plain in (bool, int, float, str, bytes):
        if isinstance(value, plain):  # also Duration, Size and enums over text or numbers: carried as their value
            return plain(value)  # type: ignore[arg-type]  # mypy does not relate `plain` to `value`
    if value is None:
        return None
    raise InternalError(f"settings cannot carry a {type(value).__name__}")


def secrets_in(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Secret]]:
    """Every Secret in frozen settings, with the attributes and keys that lead to it."""
    if isinstance(value, Secret):
        yield path, value
    elif isinstance(value, Frozen):
        for name, inner in vars(value).items():
            yield from secrets_in(inner, (*path, name))
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from secrets_in(inner, (*path, str(name)))
    elif isinstance(value, tuple):
        for index, inner in enumerate(value):
            yield from secrets_in(inner, (*path, str(index)))

"""Which numbers of a settings model have no unit: a user has to know what `60` means without reading the code.

A number is fine if its type carries the unit (`DurationField`, `SizeField`, `Annotated[int, InUnit("bytes")]`), if the last
word of its name is one (`rssi_min_dbm`, `max_registers`), or if it has none by its nature. Imports pydantic.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel

from rt_edge.sdk.settings import DurationField, InUnit, SizeField

UNITS = frozenset(
    (
        *(
            "aliases",
            "baud",
            "bits",
            "byte",
            "bytes",
            "connections",
            "dbm",
            "devices",
            "failures",
            "hz",
            "messages",
            "notifications",
            "percent",
            "readings",
        ),
        *("reads", "registers", "requests", "retransmits", "topics"),
    )
)
"""Last words of a name that say the unit, or what is counted."""

NUMBERED = frozenset(
    (*("address_base", "accept", "bit", "coil", "company", "discrete", "holding", "input", "port", "qos", "seed", "unit"),)
)
"""Names of addresses, numbers and levels: they count nothing."""

OF_THE_VALUE = frozenset(["allowed", "amplitude", "initial", "max", "maximum", "min", "minimum", "offset", "scale", "values"])
"""Names of numbers in the unit of the value they are about, which the setting `unit` beside them says."""


def without_unit(model: type[BaseModel]) -> list[str]:
    """`Model.field` of each number below `model` whose unit a user cannot know."""
    return list(_of_model(model, set()))


def _of_model(model: type[BaseModel], known: set[type]) -> Iterator[str]:
    if model in known:
        return
    known.add(model)
    for name, field in model.model_fields.items():
        carried = any(_carries(one) for one in field.metadata)
        for kind in _kinds(field.annotation):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _of_model(kind, known)
            elif not carried and _is_number(kind) and not _is_clear(name):
                yield f"{model.__name__}.{name}"
                break


def _is_clear(name: str) -> bool:
    return name.rpartition("_")[2] in UNITS or name in NUMBERED or name in OF_THE_VALUE


_PARSED = tuple(typing.get_args(field)[1] for field in (DurationField, SizeField))


def _carries(metadata: Any) -> bool:
    return isinstance(metadata, InUnit) or metadata in _PARSED


def _is_number(kind: Any) -> bool:
    return kind in (int, float)


def _kinds(annotation: Any) -> Iterator[Any]:
    """What may stand there: branches of unions, elements of lists, values of mappings; a Literal of numbers is a number."""
    origin = typing.get_origin(annotation)
    parts = typing.get_args(annotation)
    if origin is Annotated:
        if not any(_carries(one) for one in parts[1:]):
            yield from _kinds(parts[0])
    elif origin is Literal:
        yield from {type(part) for part in parts}
    elif origin is None:
        yield annotation
    else:
        for part in parts:
            yield from _kinds(part)

"""Which numbers of a settings model have no unit in their name: a user has to know what `60` means without reading the code.

The rule, strict, and the same for everybody:

1. The last word of a number's name is its unit, or the things that it counts: `rssi_min_dbm`, `at_byte`, `window_messages`,
   `topic_aliases`, `baud`. Which words are units says `UNITS`; an adapter that counts something else names it in its
   quality.yaml (`units: [pallets]`).
2. A duration or a size (`DurationField`, `SizeField`) has its unit in the value (`5s`, `64KiB`) and needs none in its name:
   a bare number is refused.
3. What is an address, an identifier, a level or a choice, and no quantity, has no unit: `NOT_QUANTITIES`.
4. Bounds and factors of a user's value are in the unit of that value, which the user says beside them: `OF_THE_VALUE`, only in a
   model that has a text `unit`.

Imports pydantic.
"""

from __future__ import annotations

import typing
from collections.abc import Collection, Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel

from rt_edge.sdk.settings import DurationField, SizeField

_MEASURES = (
    *("amperes", "baud", "bit", "bits", "byte", "bytes", "celsius", "db", "dbm", "degrees", "grams", "hz", "kelvin", "kg"),
    *("metres", "mm", "ohms", "pascals", "percent", "ppm", "volts", "watts"),
)
_COUNTED = (
    *("aliases", "attempts", "channels", "clients", "connections", "devices", "elements", "entries", "events", "failures"),
    *("fields", "files", "frames", "items", "lines", "messages", "notifications", "packets", "points", "readings", "reads"),
    *("records", "registers", "requests", "retransmits", "retries", "samples", "sensors", "sessions", "slots"),
    *("subscriptions", "tags", "topics", "units", "words", "writes"),
)
UNITS = frozenset(_MEASURES + _COUNTED)
"""Last words of a name that say the unit, or what is counted. No times: those are written with their unit (`DurationField`)."""

NOT_QUANTITIES = frozenset(
    (
        *("accept", "address", "address_base", "bit", "coil", "company", "discrete", "holding", "input", "port", "qos", "seed"),
        "unit",
        "values",  # the user's own names, for the user's own template
    )
)
"""Names of addresses, identifiers, levels and choices: they measure and count nothing."""

OF_THE_VALUE = frozenset(["allowed", "initial", "max", "maximum", "min", "minimum", "offset", "scale"])
"""Names of numbers in the unit of the value they are about, which the setting `unit` beside them says."""


def without_unit(model: type[BaseModel], own: Collection[str] = ()) -> list[str]:
    """`Model.field` of each number below `model` whose name does not say its unit.

    Args:
        model: a settings model; those of its fields are looked at, too.
        own: units that `UNITS` does not know.
    """
    return list(_of_model(model, frozenset(own), set()))


def _of_model(model: type[BaseModel], own: frozenset[str], known: set[type]) -> Iterator[str]:
    if model in known:
        return
    known.add(model)
    unit = model.model_fields.get("unit")
    of_a_value = unit is not None and str in _kinds(unit.annotation)
    for name, field in model.model_fields.items():
        clear = name.rpartition("_")[2] in UNITS | own or name in NOT_QUANTITIES or (of_a_value and name in OF_THE_VALUE)
        written = any(_is_parsed(one) for one in field.metadata)
        for kind in _kinds(field.annotation):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _of_model(kind, own, known)
            elif kind in (int, float) and not (clear or written):
                yield f"{model.__name__}.{name}"
                break


_PARSED = tuple(typing.get_args(field)[1] for field in (DurationField, SizeField))


def _is_parsed(metadata: Any) -> bool:
    return any(metadata is parsed for parsed in _PARSED)


def _kinds(annotation: Any) -> Iterator[Any]:
    """What may stand there: branches of unions, elements of lists, values of mappings; a Literal of numbers is a number."""
    origin = typing.get_origin(annotation)
    parts = typing.get_args(annotation)
    if origin is Annotated:
        if not any(_is_parsed(one) for one in parts[1:]):
            yield from _kinds(parts[0])
    elif origin is Literal:
        yield from {type(part) for part in parts}
    elif origin is None:
        yield annotation
    else:
        for part in parts:
            yield from _kinds(part)

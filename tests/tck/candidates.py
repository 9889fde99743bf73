"""Instances of a stage to try out: with parameters guessed by name and type, and with those of its own contract test."""

from __future__ import annotations

import importlib
import itertools
import pkgutil
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import msgspec

import tests.streams.stages
from rt_edge.data.reading import Reading
from rt_edge.streams.stage import Stage
from rt_edge.testkit.stage_contract import StageContract

OF_READINGS = {"field", "fields", "where", "expression", "units"}
"""Attributes of stages that do nothing with what is no reading."""

MOST = 24
"""Combinations that are tried of one stage."""


def last(first: Any, *rest: Any) -> Any:
    """What user code is by default: the identity of one argument, the newer one of two."""
    return rest[-1] if rest else first


async def last_async(first: Any, *rest: Any) -> Any:
    return last(first, *rest)


def always(*_: Any) -> bool:
    return True


def never(*_: Any) -> bool:
    return False


def as_list(element: Any) -> list[Any]:
    return [element]


def reading(index: int) -> Reading:
    return Reading("device", index * 1_000_000_000, {"value": float(index)})


NAMED: dict[str, tuple[Any, ...]] = {
    "predicate": (always, never),
    "by": (last,),
    "key": (last,),
    "cost": (lambda _: 1.0,),
    "weight": (1e9, 1.0),
    "functions": ([last_async],),
    "zero": (0,),
}
"""Parameter -> what it may be, where its type does not say enough."""


def candidates(stage: type[Stage]) -> Iterator[tuple[Stage, Callable[[int], Any]]]:
    """Instances, each with a function that makes elements for it."""
    required = [field for field in msgspec.structs.fields(stage) if field.required]
    guesses = [list(_guesses(field)) for field in required]
    for values in itertools.islice(itertools.product(*guesses), MOST):
        try:
            made = stage(**{field.name: value for field, value in zip(required, values, strict=True)})
            made.create_logic()
        except Exception:  # noqa: BLE001  # a wrong guess
            continue
        if not OF_READINGS & {field.name for field in msgspec.structs.fields(stage)}:
            yield made, int
        yield made, reading
    for contract in _contracts(stage):
        yield contract.make(), contract.item


def _guesses(field: msgspec.structs.FieldInfo) -> Iterator[Any]:
    kind = str(field.type)
    name = field.encode_name
    if name in NAMED:
        yield from NAMED[name]
        return
    if "Callable" in kind and "list" not in kind:
        yield last_async if "Awaitable" in kind or "Coroutine" in kind else as_list if "Iterable" in kind else last
    if "int" in kind or name in {"count", "size", "elements"}:
        yield from (5000, 1, 2)
    if "Duration" in kind or "float" in kind:
        yield 0.01
    if "str" in kind:
        yield from ("value", "value > -1")
    if "dict" in kind:
        yield from ({}, {"other": "value"})
    if "list" in kind or "tuple" in kind or "Sequence" in kind:
        yield []
    if "Any" in kind and "Callable" not in kind:
        yield 0


@cache
def _all_contracts() -> list[tuple[Stage, StageContract]]:
    """Every contract test of a stage, with the stage that it is about."""
    found = []
    for module in pkgutil.iter_modules(tests.streams.stages.__path__, "tests.streams.stages."):
        try:
            values = list(vars(importlib.import_module(module.name)).values())
        except Exception:  # noqa: BLE001  # pytest says it where that module is collected
            continue
        for value in values:
            if isinstance(value, type) and issubclass(value, StageContract) and value is not StageContract:
                try:
                    contract = value()
                    found.append((contract.make(), contract))
                except Exception:  # noqa: BLE001  # a base class of several contracts
                    continue
    return found


def _contracts(stage: type[Stage]) -> Iterator[StageContract]:
    """The contract tests of a stage."""
    return (contract for made, contract in _all_contracts() if type(made) is stage)

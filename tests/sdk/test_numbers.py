"""Numbers of settings say their unit, in every adapter that is installed."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest

from rt_edge.sdk.numbers import without_unit
from rt_edge.sdk.registry import Registry
from rt_edge.sdk.settings import Duration, DurationField, InUnit, Settings, SizeField


@pytest.mark.parametrize("kind", Registry.installed().kinds())
def test_no_number_is_without_a_unit_when_an_adapter_is_installed(kind: str) -> None:
    """Its name ends in the unit, its type carries it, or it has none by its nature."""
    assert without_unit(Registry.installed().load(kind).settings_model()) == []


class Inner(Settings):
    """In a list, a mapping and a union."""

    wait: float = 1.0
    """Of what?"""


class Outer(Settings):
    """Some of these are clear."""

    every: DurationField = Duration(1.0)
    """A type that carries its unit."""
    room: SizeField | None = None
    """Another."""
    gap: Annotated[int, InUnit("bytes")] = 0
    """A third."""
    either: Annotated[int | None, InUnit("bytes")] = None
    """A third, or nothing."""
    rssi_min_dbm: int | None = None
    """A name that says it."""
    qos: Literal[0, 1, 2] = 0
    """A level."""
    on: bool = True
    """No number."""
    timeout: int | None = None
    """Of what?"""
    level: Literal[1, 2] = 1
    """Of what?"""
    lists: list[float] = []
    """Of what?"""
    inner: dict[str, list[Inner]] = {}
    """More."""


def test_numbers_are_found_when_their_unit_is_not_known() -> None:
    """Plain ones, literals, elements of lists, and those of models below."""
    assert without_unit(Outer) == ["Outer.timeout", "Outer.level", "Outer.lists", "Inner.wait"]


class Gap(Settings):
    """One number."""

    gap: Annotated[int, InUnit("bytes")] = 0
    """Between two frames."""


def test_unit_is_in_the_schema_when_the_type_carries_it() -> None:
    """Editors and forms show it."""
    assert Gap.model_json_schema()["properties"]["gap"]["unit"] == "bytes"

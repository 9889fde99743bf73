"""Numbers of settings have their unit in their name."""

from __future__ import annotations

from typing import Annotated, Literal

from rt_edge.sdk.numbers import without_unit
from rt_edge.sdk.settings import Duration, DurationField, Field, Settings, SizeField


class Inner(Settings):
    """In a list, a mapping and a union."""

    wait: float = 1.0
    """Of what?"""


class Outer(Settings):
    """Some of these are clear."""

    every: DurationField = Duration(1.0)
    """Written with its unit."""
    room: SizeField | None = None
    """So is this."""
    gap_bytes: int | None = None
    """A name that says it."""
    rssi_min_dbm: int | None = None
    """Another."""
    baud: Literal[9600, 19200] = 9600
    """A third."""
    qos: Literal[0, 1, 2] = 0
    """A level."""
    on: bool = True
    """No number."""
    timeout: int | None = None
    """Of what?"""
    bytes_gap: int = 0
    """The unit is not the last word."""
    gap: Annotated[int, Field(description="bytes")] = 0
    """A unit that only the reader of the code sees."""
    pallets: int = 0
    """A unit of its own."""
    level: Literal[1, 2] = 1
    """Of what?"""
    lists: list[float] = []
    """Of what?"""
    inner: dict[str, list[Inner]] = {}
    """More."""


def test_numbers_are_found_when_their_name_does_not_say_their_unit() -> None:
    """Plain ones, literals, elements of lists, and those of models below."""
    found = ["timeout", "bytes_gap", "gap", "pallets", "level", "lists"]
    assert without_unit(Outer) == [*(f"Outer.{name}" for name in found), "Inner.wait"]
    assert "Outer.pallets" not in without_unit(Outer, ["pallets"])


class Bare(Settings):
    """Bounds of what?"""

    min: float | None = None
    """Least."""
    offset: float = 0
    """Added."""


class OfValue(Bare):
    """The same, with the unit beside them."""

    unit: str = ""
    """Of the value."""


class OfUnit(Bare):
    """The same, beside the number of a unit on a bus."""

    unit: int = 1
    """No unit of measure."""


def test_bounds_need_no_unit_when_the_unit_of_the_value_stands_beside_them() -> None:
    """As text, that is: on a bus `unit` is an address."""
    assert without_unit(Bare) == ["Bare.min", "Bare.offset"]
    assert without_unit(OfValue) == []
    assert without_unit(OfUnit) == ["OfUnit.min", "OfUnit.offset"]

"""docs/adr/0007-operators.md: every operator that it names is there, as what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from rt_edge.streams.dsl import METHODS, Flow, Sink, Source

PAGE = Path(__file__).parents[3] / "docs" / "adr" / "0007-operators.md"
COMPARISON = PAGE.with_name("0009-where-stages-differ-from-pekkos.md")
OWNERS = {"Source": Source, "Flow": Flow, "Sink": Sink}
INDEX = {
    "Sources": 37,
    "Sinks": 35,
    "Converters": 8,
    "File IO": 2,
    "Simple": 51,
    "Flow of sink and source": 2,
    "Asynchronous": 4,
    "Timer driven": 7,
    "Backpressure aware": 8,
    "Nesting, flattening": 9,
    "Time aware": 5,
    "Fan-in": 22,
    "Fan-out": 9,
    "Watching status": 2,
    "Actor interop": 16,
    "Compression": 4,
    "Error handling": 14,
}
"""Rows of each category in Pekko's generated index."""


class Row(NamedTuple):
    """An operator of Pekko's, and what there is for it."""

    category: str
    name: str
    here: tuple[str, ...]
    kind: str
    remark: str


def rows(page: Path = PAGE) -> list[Row]:
    """All tables of a page."""
    found, category = [], ""
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            category = line.removeprefix("## ")
        elif category and line.startswith("| ") and not line.startswith(("| Pekko ", "| --- ")):
            name, here, kind, remark = (cell.strip() for cell in line.strip("|").split(" |"))
            found.append(Row(category, name, tuple(re.findall(r"`([\w.]+)`", here)), kind, remark))
    return found


def owners_of(name: str) -> list[str]:
    """The classes that have to have a method: those that are named, or both that have operators."""
    owner = name.rpartition(".")[0]
    return [owner] if owner else ["Source", "Flow"]


STAGES = {f"{owner}.{made.rpartition('.')[2]}" for made in METHODS.values() for owner in made.rpartition(".")[0].split(", ")}


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row.category}-{row.name}")
def test_operator_is_there_when_the_page_names_it(row: Row) -> None:
    """Each name is a method of its classes; a stage is in METHODS and a composition is not; what is left out says why."""
    for name in row.here:
        method = name.rpartition(".")[2]
        for owner in owners_of(name):
            assert callable(getattr(OWNERS[owner], method, None)), f"{owner} has no {method}"
            if len(row.here) == 1 and row.kind in {"stage", "composition"}:
                assert (f"{owner}.{method}" in STAGES) == (row.kind == "stage"), f"{owner}.{method} is no {row.kind}"
    assert bool(row.here) == (row.kind in {"stage", "composition", "method"})
    assert row.here or (row.kind == "left out" and row.remark), "it is left out, and the page does not say why"


def test_page_is_whole_when_its_rows_are_counted() -> None:
    """Each category has as many rows as in the index, none twice."""
    found = rows()
    assert {category: sum(row.category == category for row in found) for category in INDEX} == INDEX
    assert len({(row.category, row.name) for row in found}) == sum(INDEX.values()) == len(found)


def test_every_operator_is_compared_when_it_is_here() -> None:
    """The comparison has each row of the index that is here, under the same names; what differs says how, what does not says
    nothing."""
    here = [(row.category, row.name, row.here) for row in rows() if row.kind != "left out"]
    compared = rows(COMPARISON)
    assert [(row.category, row.name, row.here) for row in compared] == here
    for row in compared:
        assert row.kind in {"same", "differ"}, row
        assert bool(row.remark) == (row.kind == "differ"), row
    others = {row.name for row in compared}
    for row in compared:
        same_as = re.match(r"as (?:Pekko's )?([\w.]+)", row.remark)
        assert same_as is None or same_as[1] in others, f"{row.name} is as {same_as[1]}, which is no row"

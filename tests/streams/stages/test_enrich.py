"""enrich: contract and own cases."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading, gap_reading
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.stages.enrich import Enrich
from rt_edge.streams.tables import read_table
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import SupervisionContract, raising


class TestEnrich(SupervisionContract):
    def make(self) -> Enrich:
        return Enrich(table={"0": {"line": "x"}}, per="n % 2", missing="drop")

    def item(self, n: int) -> Reading:
        return Reading("a", n, {"n": n})

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[Reading("a", r.ts, r.fields, tags={"line": "x"}) for r in inputs[0] if r.fields["n"] % 2 == 0]]

    def make_failing(self, on_error: Any) -> Enrich:
        return Enrich(table={"x": {"a": 1}}, per=raising(lambda n: n), on_error=on_error)


FILES = {
    "table.csv": "device,line,limit\npump-1,north,2.5\npump-2,south,7\n",
    "table.json": '{"pump-1": {"line": "north", "limit": 2.5}, "pump-2": {"line": "south", "limit": 7}}',
    "table.yaml": "pump-1: {line: north, limit: 2.5}\npump-2: {line: south, limit: 7, other: null}\n",
    "list.json": '[{"device": "pump-1", "line": "north", "limit": 2.5}, {"device": "pump-2", "line": "south", "limit": 7}]',
}


@pytest.mark.parametrize("name", FILES)
def test_table_is_the_same_when_it_is_read_from_any_kind_of_file(name: str, tmp_path: Path) -> None:
    """CSV, JSON, YAML; numbers are numbers."""
    (tmp_path / name).write_text(FILES[name])
    table = read_table(str(tmp_path / name), "device" if name in ("list.json", "table.csv") else "")
    assert table == {"pump-1": {"line": "north", "limit": 2.5}, "pump-2": {"line": "south", "limit": 7}}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", ""),
        ("a.csv", "device,line\npump-1\n"),
        ("a.csv", "device,line\npump-1,a,b\n"),
        ("a.json", "{"),
        ("a.json", "[1]"),
        ("a.json", '{"a": 1}'),
        ("a.json", '{"a": {"b": [1]}}'),
        ("a.yaml", "a: [: b"),
        ("a.json", " " * 4_000_001),
        ("missing.csv", None),
    ],
)
def test_table_is_refused_when_it_is_none(name: str, text: str | None, tmp_path: Path) -> None:
    """With the file in the message."""
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=name):
        read_table(str(tmp_path / name))


def test_fields_or_tags_are_added_when_the_key_is_known() -> None:
    """What the table does not have passes and is counted; gaps pass; only some columns if asked for."""
    table: Any = {"a": {"line": "north", "limit": 2.5, "on": True}}
    known, unknown, gap = Reading("a", 1, {"p": 1}), Reading("b", 1, {"p": 1}), gap_reading("a", "offline", 1, 2)
    with StageBench(Enrich(table=table)) as bench:
        bench.sink.request(100)
        bench.source.send(known, unknown, gap)
        tags = {"line": "north", "limit": "2.5", "on": "true"}
        bench.sink.expect_next(Reading("a", 1, {"p": 1}, tags=tags), unknown, gap)
        assert bench.counters["not_in_table"] == 1
    with StageBench(Enrich(table=table, into="fields", columns=["limit"])) as bench:
        bench.sink.request(100)
        bench.source.send(known)
        bench.sink.expect_next(Reading("a", 1, {"p": 1, "limit": 2.5}))


def test_table_is_read_again_when_its_file_has_changed(tmp_path: Path) -> None:
    """At the period that was asked for; a broken file leaves the old table."""
    file = tmp_path / "table.csv"
    file.write_text("device,line\na,1\n")
    with StageBench(Enrich(file=str(file), reload=60.0)) as bench:
        bench.sink.request(100)

        def line() -> str:
            bench.source.send(Reading("a", 1, {"p": 1}))
            return str(bench.sink.received[-1].tags["line"])

        assert line() == "1"
        file.write_text("device,line\na,22\n")
        assert line() == "1"
        bench.advance(60)
        assert line() == "22"
        file.write_text("device\n")
        bench.advance(60)
        assert line() == "22"
        assert bench.counters["reload_failed"] == 1
        file.write_text("device,line\na,3\n")
        os.utime(file, ns=(10**18, 10**18))
        bench.advance(60)
        assert line() == "3"
        assert bench.counters["reloaded"] == 2


def test_settings_are_refused_when_there_is_no_table() -> None:
    """One of two, and a path that means something."""
    for wrong in ({}, {"table": {"a": {"b": 1}}, "file": "/x.csv"}, {"file": "x.csv"}, {"file": "/x.txt"}):
        assert Catalogue.built_in().check("enrich", wrong).errors
    with pytest.raises(ConfigError):
        Enrich()

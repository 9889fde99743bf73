"""Operators in a configuration: what may be written behind their kinds, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.convert import property_schema
from rt_edge.streams.dsl import METHODS
from rt_edge.streams.stages._given import GivenReading
from rt_edge.streams.stages.deflate import Deflate
from rt_edge.streams.stages.delay_with import DelayWith
from rt_edge.streams.stages.drop_last import DropLast
from rt_edge.streams.stages.drop_repeated import DropRepeated
from rt_edge.streams.stages.drop_while import DropWhile
from rt_edge.streams.stages.grouped_adjacent_by import GroupedAdjacentBy
from rt_edge.streams.stages.grouped_adjacent_by_weighted import GroupedAdjacentByWeighted
from rt_edge.streams.stages.grouped_weighted import GroupedWeighted
from rt_edge.streams.stages.gunzip import Gunzip
from rt_edge.streams.stages.gzip import Gzip
from rt_edge.streams.stages.ignore import Ignore
from rt_edge.streams.stages.inflate import Inflate
from rt_edge.streams.stages.intersperse import Intersperse
from rt_edge.streams.stages.limit import Limit
from rt_edge.streams.stages.limit_weighted import LimitWeighted
from rt_edge.streams.stages.log import Log
from rt_edge.streams.stages.restart_flow import RestartFlow
from rt_edge.streams.stages.restart_sink import RestartSink
from rt_edge.streams.stages.sliding import Sliding
from rt_edge.streams.stages.take_last import TakeLast
from rt_edge.streams.stages.take_until import TakeUntil
from rt_edge.streams.stages.take_while import TakeWhile
from rt_edge.streams.stages.tick import Tick
from rt_edge.streams.stages.to_path import ToPath
from rt_edge.streams.stages.wire_tap import WireTap
from rt_edge.streams.stages.zip_with_index import ZipWithIndex

HEARTBEAT = {"source": "hall-3", "fields": {"alive": True, "n": 1}}
"""A reading as it is written for a stage to emit."""

ALIVE = GivenReading("hall-3", {"alive": True, "n": 1})


@pytest.mark.parametrize(
    ("kind", "written", "stage"),
    [
        ("take_while", "t < 80", TakeWhile("t < 80")),
        ("take_while", {"predicate": "t < 80", "inclusive": True}, TakeWhile("t < 80", inclusive=True)),
        ("take_until", "done", TakeUntil("done")),
        ("take_last", 5, TakeLast(5)),
        ("drop_while", "t < 80", DropWhile("t < 80")),
        ("drop_last", 5, DropLast(5)),
        ("drop_repeated", "state", DropRepeated("state")),
        ("drop_repeated", None, DropRepeated()),
        ("limit", 1000, Limit(1000)),
        ("limit_weighted", {"weight": 10, "cost": "size"}, LimitWeighted(10, "size")),
        ("sliding", {"count": 10, "step": 5}, Sliding(10, 5)),
        ("sliding", 10, Sliding(10)),
        ("grouped_weighted", {"weight": 10, "cost": "size"}, GroupedWeighted(weight=10, cost="size")),
        ("grouped_adjacent_by", "batch", GroupedAdjacentBy(by="batch")),
        (
            "grouped_adjacent_by_weighted",
            {"by": "batch", "weight": 10, "cost": "size"},
            GroupedAdjacentByWeighted(by="batch", weight=10, cost="size"),
        ),
        ("log", "t * 2", Log(value="t * 2")),
        ("log", {"most": 1, "per": "60s", "fields": {"line": "3"}}, Log(most=1, per=60.0, fields={"line": "3"})),
        ("wire_tap", {"count": 3}, WireTap(count=3)),
        ("gzip", {"level": 9}, Gzip(level=9)),
        ("gunzip", {"block": "4KiB", "most": "1MB"}, Gunzip(block=4096, most=1_000_000)),
        ("deflate", {"raw": True}, Deflate(raw=True)),
        ("inflate", {"raw": True}, Inflate(raw=True)),
        ("tick", {"every": "10s", "element": HEARTBEAT}, Tick(10.0, ALIVE)),
        ("tick", {"every": "1h", "element": HEARTBEAT, "initial": "0s"}, Tick(3600.0, ALIVE, 0.0)),
        ("intersperse", {"between": HEARTBEAT, "end": HEARTBEAT}, Intersperse(ALIVE, end=ALIVE)),
        ("to_path", "/var/log/readings", ToPath(path=Path("/var/log/readings"))),
        (
            "to_path",
            {"path": "readings.jsonl", "content": "json", "append": True, "fsync": "always"},
            ToPath(path=Path("readings.jsonl"), content="json", append=True, fsync="always"),
        ),
        ("ignore", None, Ignore()),
        ("delay_with", "hold_s", DelayWith("hold_s")),
        ("delay_with", {"function": "hold_s / 2", "size": 5, "overflow": "drop_head"}, DelayWith("hold_s / 2", 5, "drop_head")),
        ("zip_with_index", "number", ZipWithIndex("number")),
        ("zip_with_index", None, ZipWithIndex()),
        ("restart_flow", [{"take": 3}], RestartFlow(steps=[{"take": 3}])),
        (
            "restart_flow",
            {"steps": [{"take": 3}], "min_backoff": "100ms", "max_restarts": 5, "only_failures": True},
            RestartFlow(steps=[{"take": 3}], min_backoff=0.1, max_restarts=5, only_failures=True),
        ),
        ("restart_sink", [{"take": 3}, {"to_path": "f"}], RestartSink(steps=[{"take": 3}, {"to_path": "f"}])),
        ("restart_sink", {"steps": ["ignore"], "max_backoff": "5s"}, RestartSink(steps=["ignore"], max_backoff=5.0)),
    ],
)
def test_stage_is_made_when_its_properties_are_plain_data(kind: str, written: Any, stage: Any) -> None:
    """What is written in a configuration is what Python code would have said."""
    catalogue = Catalogue.built_in()
    made, errors = catalogue.check(kind, catalogue.properties(kind, written))
    assert not errors
    assert made == stage


@pytest.mark.parametrize(
    ("kind", "written", "message"),
    [
        ("take_while", "t <", "take_while|expression|syntax|end"),
        ("take_while", 3, "has to be an expression"),
        ("take_last", 0, "at least 1"),
        ("sliding", {"count": 5, "step": 0}, "at least 1"),
        ("grouped_weighted", {"weight": 10}, "`cost` is missing"),
        ("log", {"level": "loud"}, "loud"),
        ("gunzip", {"block": "1MB"}, "at most"),
        ("gzip", {"level": 11}, "level is 11"),
        ("tick", {"every": "0s", "element": HEARTBEAT}, "at least 0.001"),
        ("tick", "1s", "`element` is missing"),
        ("tick", {"every": "1s", "element": "tick"}, "must be a mapping, not a text"),
        ("tick", {"every": "1s", "element": {"source": "a"}}, "fields"),
        ("tick", {"every": "1s", "element": {"source": "a", "fields": {}}}, "at least one field"),
        ("tick", {"every": "1s", "element": {"source": "a", "fields": {"t": None}}}, "must be"),
        ("intersperse", None, "`between` is missing"),
        ("to_path", {"path": "f", "content": "xml"}, "'xml' is not one of bytes, json"),
        ("to_path", {"path": 5}, "a PosixPath cannot be written|must be|a Path cannot"),
        ("to_path", {"path": "f", "done": "print"}, "is a function, which cannot be written in a configuration"),
        ("delay_with", "1 +", "expression|syntax|end"),
        ("restart_flow", None, "there is nothing to be run again"),
        ("restart_flow", [{"mrge": 2}], "there is no stage 'mrge'"),
        ("restart_flow", ["ignore"], "steps[0]: ignore has not one inlet and one outlet"),
        ("restart_sink", None, "there is nothing to be run again"),
        ("restart_sink", ["gzip"], "steps[0]: gzip has not one inlet and no outlet, like to_path"),
        ("restart_sink", ["ignore", "ignore"], "steps[0]: ignore has not one inlet and one outlet"),
        ("restart_flow", {"steps": ["detach"], "restart_on": "x"}, "is a function, which cannot be written in a configuration"),
    ],
)
def test_mistake_is_named_when_properties_make_no_sense(kind: str, written: Any, message: str) -> None:
    """Before anything runs."""
    catalogue = Catalogue.built_in()
    made, errors = catalogue.check(kind, catalogue.properties(kind, written))
    assert made is None
    assert any(part in str(error) for error in errors for part in message.split("|")), errors


RESULT = "what it comes to has nobody to go to in a configuration"
NO_FORM = {
    **dict.fromkeys(["Collect", "Count", "Head", "HeadOption", "Last", "LastOption", "LastInto", "Settling"], RESULT),
    "Cancelled": "it would end the graph before it began",
    "Expand": "the last reading again, as fast as it is asked for, would fill every store: `keep_alive` has a period",
    "FromPublisher": "a publisher is an object",
    "ToSubscriber": "a subscriber is an object",
    "Empty": "a graph without elements does nothing",
    "Never": "a graph without elements does nothing",
    "Unwilling": "a graph that takes nothing does nothing",
    "PrefixAndTail": "what it emits is a source, which somebody has to run",
    "Unzip": "readings are no tuples",
}
"""Stages without a form for configurations, although all that they need could be written."""


def test_stage_has_a_form_for_configurations_when_all_it_needs_can_be_written() -> None:
    """Numbers, durations, texts, lists of steps: who needs no more than these has a kind, or a reason."""
    without = {stage.__name__: stage for stage in METHODS if not stage.kind}
    writable = set()
    for name, stage in without.items():
        needed = [field for field in msgspec.structs.fields(stage) if field.required]
        if all(property_schema(field, "") for field in needed):
            writable.add(name)
    assert writable == set(NO_FORM)

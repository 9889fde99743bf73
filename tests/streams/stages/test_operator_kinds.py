"""Operators in a configuration: what may be written behind their kinds, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.stages.deflate import Deflate
from rt_edge.streams.stages.drop_last import DropLast
from rt_edge.streams.stages.drop_repeated import DropRepeated
from rt_edge.streams.stages.drop_while import DropWhile
from rt_edge.streams.stages.grouped_adjacent_by import GroupedAdjacentBy
from rt_edge.streams.stages.grouped_adjacent_by_weighted import GroupedAdjacentByWeighted
from rt_edge.streams.stages.grouped_weighted import GroupedWeighted
from rt_edge.streams.stages.gunzip import Gunzip
from rt_edge.streams.stages.gzip import Gzip
from rt_edge.streams.stages.inflate import Inflate
from rt_edge.streams.stages.limit import Limit
from rt_edge.streams.stages.limit_weighted import LimitWeighted
from rt_edge.streams.stages.log import Log
from rt_edge.streams.stages.sliding import Sliding
from rt_edge.streams.stages.take_last import TakeLast
from rt_edge.streams.stages.take_until import TakeUntil
from rt_edge.streams.stages.take_while import TakeWhile
from rt_edge.streams.stages.wire_tap import WireTap


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
    ],
)
def test_mistake_is_named_when_properties_make_no_sense(kind: str, written: Any, message: str) -> None:
    """Before anything runs."""
    catalogue = Catalogue.built_in()
    made, errors = catalogue.check(kind, catalogue.properties(kind, written))
    assert made is None
    assert any(part in str(error) for error in errors for part in message.split("|")), errors

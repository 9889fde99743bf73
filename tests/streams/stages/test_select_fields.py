"""select_fields and set_tags: contracts and own cases."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading, gap_reading
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.stages.select_fields import SelectFields
from rt_edge.streams.stages.set_tags import SetTags
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract


class TestSelectFields(StageContract):
    def make(self) -> SelectFields:
        return SelectFields(rename={"p": "pressure"}, keep=["pressure"])

    def item(self, n: int) -> Reading:
        return Reading("a", n, {"p": n, "q": n} if n % 3 else {"q": n})

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[Reading("a", r.ts, {"pressure": r.fields["p"]}) for r in inputs[0] if "p" in r.fields]]


class TestSetTags(StageContract):
    def make(self) -> SetTags:
        return SetTags(tags={"line": "1"}, from_fields={"odd": "n % 2 == 1"}, drop=["old"])

    def item(self, n: int) -> Reading:
        return Reading("a", n, {"n": n}, tags={"old": "x", "kept": "y"})

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        rows = [(r, str(r.fields["n"] % 2 == 1).lower()) for r in inputs[0]]
        return [[Reading("a", r.ts, r.fields, tags={"kept": "y", "line": "1", "odd": odd}) for r, odd in rows]]


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        ({"drop": ["a"]}, {"b": 2, "c": 3}),
        ({"keep": ["a", "x"]}, {"a": 1}),
        ({"rename": {"a": "b"}}, {"b": 1, "c": 3}),
        ({"rename": {"a": "b", "b": "a"}}, {"a": 2, "b": 1, "c": 3}),
        ({"rename": {"a": "x"}, "drop": ["a", "b"], "keep": ["x", "b"]}, {"x": 1}),
    ],
)
def test_fields_are_what_the_settings_say(settings: dict[str, Any], fields: dict[str, Any]) -> None:
    """rename, then drop, then keep."""
    gap = gap_reading("a", "offline", 1, 2)
    with StageBench(SelectFields(**settings)) as bench:
        bench.sink.request(100)
        bench.source.send(Reading("s", 1, {"a": 1, "b": 2, "c": 3}, tags={"t": "x"}), gap)
        bench.sink.expect_next(Reading("s", 1, fields, tags={"t": "x"}), gap)


def test_reading_is_dropped_when_no_field_is_left() -> None:
    """A reading without fields says nothing."""
    with StageBench(SelectFields(keep=["p"])) as bench:
        bench.sink.request(100)
        bench.source.send(Reading("a", 0, {"q": 1}))
        assert bench.source.outcomes.dropped("filtered") == [0]
        assert bench.counters["dropped_filtered"] == 1


def test_tag_stays_when_its_expression_misses_a_field_and_reading_fails_when_it_raises() -> None:
    """False is a value, missing is not; a division by zero fails its reading alone."""
    with StageBench(SetTags(from_fields={"x": "q", "y": "1 / p"})) as bench:
        bench.sink.request(100)
        rows = [{"q": False, "p": 2}, {"p": 1}, {"q": 1, "p": 0}]
        gap = gap_reading("a", "offline", 1, 2)
        bench.source.send(*(Reading("a", n, fields, tags={"x": "old"}) for n, fields in enumerate(rows)), gap)
        assert [r.tags for r in bench.sink.received] == [{"x": "false", "y": "0.5"}, {"x": "old", "y": "1.0"}, gap.tags]
        assert bench.source.outcomes.failed() == [2]
        assert bench.counters["missing_field"] == 1


def test_settings_are_read_and_refused_when_written_in_a_configuration() -> None:
    """The short forms, and nothing to do."""
    catalogue = Catalogue.built_in()
    assert catalogue.check("select_fields", catalogue.properties("select_fields", ["p"])).stage == SelectFields(keep=["p"])
    assert catalogue.check("set_tags", catalogue.properties("set_tags", {"line": "1"})).stage == SetTags(tags={"line": "1"})
    for wrong in (SelectFields, SetTags):
        with pytest.raises(ConfigError, match="like:"):
            wrong()
    with pytest.raises(ConfigError, match="one name"):
        SelectFields(rename={"a": "x", "b": "x"})
    with pytest.raises(ConfigError):
        SetTags(from_fields={"x": "a.b"})

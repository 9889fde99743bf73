"""schema_check: contract and own cases."""

from __future__ import annotations

import math
from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading, gap_reading
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.stages.schema_check import FieldRule, SchemaCheck
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract

RULES = {"p": FieldRule(type="number", max=20)}


class TestSchemaCheck(StageContract):
    def make(self) -> SchemaCheck:
        return SchemaCheck(fields=RULES)

    def item(self, n: int) -> Reading:
        return Reading("a", n, {"p": n * 7 % 31})

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[r for r in inputs[0] if r.fields["p"] <= 20]]


class TestOutlet(TestSchemaCheck):
    def make(self) -> SchemaCheck:
        return SchemaCheck(fields=RULES, on_violation="outlet")

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[r for r in inputs[0] if (r.fields["p"] <= 20) == good] for good in (True, False)]


class TestUncertain(TestSchemaCheck):
    def make(self) -> SchemaCheck:
        return SchemaCheck(fields=RULES, on_violation="uncertain")

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[r if r.fields["p"] <= 20 else Reading("a", r.ts, r.fields, "uncertain") for r in inputs[0]]]


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        ({"type": "number"}, [1, 1.5, math.inf], {"type": [True, "1", math.nan, b"1"]}),
        ({"type": "integer"}, [1, -5], {"type": [1.0, True]}),
        ({"type": "boolean"}, [True], {"type": [1]}),
        ({"type": "text", "max_length": 3}, ["abc", ""], {"type": [1, b"a"], "length": ["abcd"]}),
        ({"type": "bytes"}, [b"a"], {"type": ["a"]}),
        ({"min": 0, "max": 10}, [0, 10, 5.5], {"range": [-0.1, 11], "type": ["5", True]}),
        ({"enum": ["on", "off", 3]}, ["on", 3], {"enum": ["ON", 3.0, True]}),
        ({}, [1, "x", b"", True], {}),
    ],
)
def test_value_is_judged_by_its_rule(rule: dict[str, Any], good: list[Any], bad: dict[str, list[Any]]) -> None:
    """And the counter says what was wrong."""
    with StageBench(SchemaCheck(fields={"p": FieldRule(**rule)})) as bench:
        bench.sink.request(100)
        readings = [Reading("a", 0, {"p": value}) for value in good]
        bench.source.send(*readings, *(Reading("a", 0, {"p": value}) for values in bad.values() for value in values))
        bench.sink.expect_next(*readings)
        bench.sink.expect_no_signal()
        for reason, values in bad.items():
            assert bench.counters[f"violation_{reason}"] == len(values)
        assert bench.counters.get("dropped_schema", 0) == sum(map(len, bad.values()))
        assert len(bench.source.outcomes.dropped("schema")) == sum(map(len, bad.values()))


def test_fields_may_be_missing_or_extra_when_the_settings_say_so() -> None:
    """required is the default; extra fields are allowed unless told otherwise; gaps pass."""
    rules = {"p": FieldRule(), "q": FieldRule(required=False)}
    gap = gap_reading("a", "offline", 1, 2)
    rows: list[dict[str, Any]] = [{"p": 1}, {"q": 1}, {"p": 1, "x": 1}]
    for extra, passed in (("allow", 3), ("violation", 2)):
        with StageBench(SchemaCheck(fields=rules, extra=extra)) as bench:  # type: ignore[arg-type]  # one of two
            bench.sink.request(100)
            bench.source.send(gap, *(Reading("a", 0, fields) for fields in rows))
            assert len(bench.sink.received) == passed
            assert bench.counters["violation_missing"] == 1
            assert bench.counters.get("violation_extra", 0) == 3 - passed


def test_worse_quality_stays_when_a_bad_reading_is_doubted() -> None:
    """uncertain is better than bad."""
    with StageBench(SchemaCheck(fields=RULES, on_violation="uncertain")) as bench:
        bench.sink.request(100)
        bench.source.send(Reading("a", 0, {"p": 99}, "bad"), Reading("a", 0, {"p": 99}))
        assert [r.quality for r in bench.sink.received] == ["bad", "uncertain"]


def test_nothing_is_asked_for_when_a_bad_reading_waits() -> None:
    """Both outlets keep up, or nobody; one that cancels is dropped for."""
    with StageBench(SchemaCheck(fields=RULES, on_violation="outlet")) as bench:
        out, bad = bench.sinks
        out.request(2)
        bench.source.send(Reading("a", 0, {"p": 99}))
        bench.source.send(Reading("a", 1, {"p": 1}))
        out.request(5)
        bench.source.expect_no_request()
        bad.cancel()
        assert bench.source.outcomes.dropped("branch_cancelled") == [0]
        bench.source.send(Reading("a", 2, {"p": 99}))
        bench.source.complete()
        out.expect_next(Reading("a", 1, {"p": 1}))
        out.expect_complete()
        assert bench.source.outcomes.dropped("branch_cancelled") == [0, 2]


def test_settings_are_read_when_written_in_a_configuration() -> None:
    """With every mistake of a rule named."""
    catalogue = Catalogue.built_in()
    properties = {"fields": {"p": {"type": "number", "min": 0}, "mode": {"enum": ["a", "b"], "required": False}}}
    check = catalogue.check("schema_check", properties)
    assert isinstance(check.stage, SchemaCheck), check.errors
    assert check.stage.fields["mode"] == FieldRule(enum=["a", "b"], required=False)
    short = catalogue.check("schema_check", catalogue.properties("schema_check", {"p": {"type": "number"}}))
    assert isinstance(short.stage, SchemaCheck), short.errors
    for wrong in ({"p": {"type": "nummer"}}, {"p": {"minimum": 1}}, {"p": {"min": 5, "max": 1}}, {"p": {"enum": []}}):
        assert catalogue.check("schema_check", {"fields": wrong}).errors
    with pytest.raises(ConfigError, match="min is 5"):
        SchemaCheck(fields={"p": FieldRule(min=5, max=1)})

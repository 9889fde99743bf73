"""filter by an expression: contract and own cases."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.reading import Reading, gap_reading
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.expression import ExpressionError
from rt_edge.streams.stages.filter_expression import FilterExpression
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract


class TestFilterExpression(StageContract):
    def make(self) -> FilterExpression:
        return FilterExpression("n % 2 == 0 and quality == 'good'")

    def item(self, n: int) -> Reading:
        return Reading("plc/a", n, {"n": n}, quality="bad" if n % 5 == 0 else "good")

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[x for x in inputs[0] if x.fields["n"] % 2 == 0 and x.quality == "good"]]


def test_reading_is_dropped_and_counted_when_a_field_is_missing() -> None:
    """A reading without the field does not pass, is not an error, and is counted; a gap record passes."""
    warm, other, gap = Reading("a", 1, {"t": 3}), Reading("b", 2, {"p": 1}), gap_reading("a", "offline", 1, 2)
    with StageBench(FilterExpression("t > 0")) as bench:
        bench.sink.request(3)
        bench.source.send(warm, other, gap)
        bench.sink.expect_next(warm, gap)
        assert bench.source.outcomes.dropped("filtered") == [1]
        assert bench.counters == {"missing_field": 1, "dropped_filtered": 1}


@pytest.mark.parametrize(("on_error", "passed"), [("stop", [1]), ("resume", [1, 3]), ("restart", [1, 3])])
def test_reading_fails_when_its_value_has_the_wrong_type(on_error: Any, passed: list[int]) -> None:
    """Text where the expression wants a number fails that reading, by supervision."""
    readings = [Reading("a", 1, {"t": 1}), Reading("a", 2, {"t": "hot"}), Reading("a", 3, {"t": 3})]
    with StageBench(FilterExpression("t > 0", on_error=on_error)) as bench:
        bench.sink.request(3)
        bench.source.send(*readings)
        assert [r.ts for r in bench.sink.received] == passed
        assert bench.source.outcomes.failed() == ([1, 2] if on_error == "stop" else [1])
        assert (bench.sink.error is not None) == (on_error == "stop")


def test_settings_are_refused_when_the_expression_is_hostile() -> None:
    """A stage with an expression that does not compile cannot be made, and the catalogue names the property."""
    with pytest.raises(ExpressionError, match="column 1"):
        FilterExpression("().__class__")
    check = Catalogue.built_in().check("filter", Catalogue.built_in().properties("filter", "9**9**9 > t"))
    assert check.stage is None
    assert "always fails" in str(check.errors[0])
    assert check.errors[0].path == ("where",)

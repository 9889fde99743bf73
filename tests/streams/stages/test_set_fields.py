"""set: contract and own cases."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.reading import Reading
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.expression import ExpressionError
from rt_edge.streams.stages.set_fields import SetFields
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract


class TestSetFields(StageContract):
    def make(self) -> SetFields:
        return SetFields({"double": "n * 2", "more": "double + 1"})

    def item(self, n: int) -> Reading:
        return Reading("plc/a", n, {"n": n}, tags={"line": "1"})

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [
            [
                Reading(x.source, x.ts, {**x.fields, "double": x.fields["n"] * 2, "more": x.fields["n"] * 2 + 1}, tags=x.tags)
                for x in inputs[0]
            ]
        ]


def test_only_the_guilty_reading_fails_when_a_value_overflows() -> None:
    """Under resume an overflow fails its reading and is asked for again; the others go on."""
    with StageBench(SetFields({"y": "n * n"}, on_error="resume")) as bench:
        bench.sink.request(3)
        bench.source.send(Reading("a", 0, {"n": 2}), Reading("a", 1, {"n": 2**60}), Reading("a", 2, {}))
        assert [r.fields for r in bench.sink.received] == [{"n": 2, "y": 4}, {}]
        assert bench.source.outcomes.failed() == [1]
        assert "OverflowError" in str(bench.source.outcomes.errors()[0])
        assert bench.counters == {"missing_field": 1, "errors": 1}
        bench.source.expect_request(1)


def test_mapping_is_the_assignments_when_written_in_a_configuration() -> None:
    """`set: {psi: ...}` needs no name of the property; constants are allowed; a wrong one is refused."""
    catalogue = Catalogue.built_in()
    properties = catalogue.properties("set", {"psi": "pressure * 14.5038", "unit": "'psi'", "n": 3})
    check = catalogue.check("set", properties)
    assert check.stage == SetFields({"psi": "pressure * 14.5038", "unit": "'psi'", "n": 3}), check.errors
    with pytest.raises(ExpressionError):
        SetFields({"x": "import os"})

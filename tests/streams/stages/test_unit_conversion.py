"""unit_conversion: contract and own cases."""

from __future__ import annotations

from typing import Any

import pytest

from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading, gap_reading
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.stages.unit_conversion import UnitConversion
from rt_edge.testkit.probes import StageBench
from rt_edge.testkit.stage_contract import StageContract


class TestUnitConversion(StageContract):
    def make(self) -> UnitConversion:
        return UnitConversion(fields={"p": "kPa -> Pa"})

    def item(self, n: int) -> Reading:
        return Reading("a", n, {"p": n, "q": n})

    def expected(self, inputs: list[list[Any]]) -> list[list[Any]]:
        return [[Reading("a", r.ts, {"p": r.fields["p"] * 1000.0, "q": r.fields["q"]}) for r in inputs[0]]]


def test_fields_are_converted_and_the_rest_stays() -> None:
    """Several fields at a time; what is no number stays and is counted, gaps pass."""
    fields: dict[str, Any] = {"temperature": "°F -> °C", "energy": {"from": "kWh", "to": "MJ"}}
    gap = gap_reading("a", "offline", 1, 2)
    with StageBench(UnitConversion(fields=fields)) as bench:
        bench.sink.request(100)
        bench.source.send(
            Reading("a", 0, {"temperature": 212, "energy": 10, "mode": "on"}),
            gap,
            Reading("a", 1, {"temperature": "hot"}),
        )
        [first, second, third] = bench.sink.received
        assert first.fields == pytest.approx({"temperature": 100.0, "energy": 36.0, "mode": "on"})
        assert second == gap
        assert third.fields == {"temperature": "hot"}
        assert bench.counters["not_a_number"] == 1
        assert bench.counters["missing_field"] == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"p": "bar"}, "is no conversion"),
        ({"p": {"from": "bar"}}, "is no conversion"),
        ({"p": "bar -> m"}, "p: bar is pressure, m is length"),
        ({"p": "barr -> Pa"}, "p: there is no unit 'barr'"),
        ({}, "no field"),
    ],
)
def test_settings_are_refused_when_units_are_wrong(fields: dict[str, Any], message: str) -> None:
    """With the field and the nearest unit."""
    with pytest.raises(ConfigError, match=message):
        UnitConversion(fields=fields)
    check = Catalogue.built_in().check("unit_conversion", {"fields": fields})
    assert message in str(check.errors[0])


def test_both_forms_are_read_when_written_in_a_configuration() -> None:
    """As text and as a mapping, with and without the name of the property."""
    catalogue = Catalogue.built_in()
    for written in ({"p": "psi -> bar"}, {"fields": {"p": {"from": "psi", "to": "bar"}}}):
        check = catalogue.check("unit_conversion", catalogue.properties("unit_conversion", written))
        assert isinstance(check.stage, UnitConversion), check.errors
        assert check.stage.conversions["p"](14.503773773020923) == pytest.approx(1.0)

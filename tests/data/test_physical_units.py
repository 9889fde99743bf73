"""Units: values of the sources, and that conversions undo each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rt_edge.data.errors import ConfigError
from rt_edge.data.physical_units import ALIASES, UNITS, conversion, unit_named

KNOWN = [
    (0, "°C", "K", 273.15),
    (100, "degC", "degF", 212),
    (-40, "F", "C", -40),
    (0, "K", "degF", -459.67),
    (491.67, "degR", "degC", 0),
    (1, "bar", "psi", 14.503773773020923),
    (1, "psi", "Pa", 6894.757293168361),
    (1, "mbar", "kPa", 0.1),
    (1, "atm", "Torr", 760),
    (1, "inHg", "mmHg", 25.4),
    (1, "m³/h", "l/min", 16.666666666666668),
    (1, "gpm", "L/min", 3.785411784),
    (1, "t/h", "kg/s", 0.2777777777777778),
    (1, "mi", "km", 1.609344),
    (12, "in", "ft", 1),
    (1, "gal", "L", 3.785411784),
    (1, "ha", "m2", 10_000),
    (1, "lb", "kg", 0.45359237),
    (16, "oz", "lb", 1),
    (1, "kWh", "J", 3.6e6),
    (1, "kWh", "BTU", 3412.141633127942),
    (1, "hp", "W", 745.6998715822702),
    (1, "PS", "kW", 0.73549875),
    (1, "MW", "mW", 1e9),
    (100, "km/h", "m/s", 27.77777777777778),
    (1, "kn", "km/h", 1.852),
    (3000, "rpm", "Hz", 50),
    (50, "%", "1", 0.5),
    (1, "lbf·ft", "Nm", 1.3558179483314004),
    (1, "kgf/cm²", "bar", 0.980665),
    (1, "Ah", "As", 3600),
]


@pytest.mark.parametrize(("value", "source", "target", "result"), KNOWN)
def test_value_is_that_of_the_sources_when_it_is_converted(value: float, source: str, target: str, result: float) -> None:
    """There and back; rounded once, so within a unit in the last places."""
    assert conversion(source, target)(value) == pytest.approx(result, rel=1e-14, abs=1e-12)
    assert conversion(target, source)(result) == pytest.approx(value, rel=1e-13, abs=1e-11)


@given(value=st.floats(-1e9, 1e9), data=st.data())
def test_way_back_leads_to_the_value_when_units_are_of_one_kind(value: float, data: st.DataObject) -> None:
    """For every pair of one kind."""
    source = data.draw(st.sampled_from(sorted(UNITS)))
    target = data.draw(st.sampled_from(sorted(name for name, unit in UNITS.items() if unit.kind == UNITS[source].kind)))
    there = conversion(source, target)(value)
    assert conversion(target, source)(there) == pytest.approx(value, rel=1e-9, abs=1e-6)


def test_aliases_lead_to_units_and_hide_none() -> None:
    """Each other name has a unit, and is none itself."""
    assert [alias for alias, name in ALIASES.items() if name not in UNITS or alias in UNITS] == []


@pytest.mark.parametrize(("wrong", "hint"), [("degc", "degC"), ("kwh", "kWh"), ("m3/hr", "m3/h"), ("PSI", "psi"), ("Bar", "bar")])
def test_nearest_name_is_said_when_a_unit_is_unknown(wrong: str, hint: str) -> None:
    """A settings error that helps."""
    with pytest.raises(ConfigError) as caught:
        unit_named(wrong)
    assert caught.value.hint == f"did you mean {hint!r}?"


def test_kinds_are_named_when_they_differ() -> None:
    """A pressure is no length."""
    with pytest.raises(ConfigError, match="bar is pressure, m is length"):
        conversion("bar", "m")

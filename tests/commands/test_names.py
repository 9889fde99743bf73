"""Names of points as people write them."""

from __future__ import annotations

import pytest

from rt_edge.commands.names import no_point, resolve, split_point
from rt_edge.data.errors import RefusedError


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("plc/pump-1/setpoint", ("plc", "pump-1/setpoint")),
        ("plc.pump-1.setpoint", ("plc", "pump-1.setpoint")),
        ("plc.2/pump-1/setpoint", ("plc.2", "pump-1/setpoint")),
        ("plc.2.pump-1.setpoint", ("plc.2", "pump-1.setpoint")),
        ("plc/pump.1", ("plc", "pump.1")),
    ],
)
def test_adapter_of_a_point_is_found(text, found):
    """With slashes or dots; of two that fit, the longer name."""
    assert split_point(text, ["plc", "plc.2"]) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pls/pump-1", "there is no adapter 'pls' for the point 'pls/pump-1' (did you mean 'plc'?)"),
        ("pls.pump-1", "there is no adapter 'pls' for the point 'pls.pump-1' (did you mean 'plc'?)"),
        ("plc", "'plc' names an adapter and no point (write plc/DEVICE/POINT)"),
        ("plc/", "'plc/' names an adapter and no point (write plc/DEVICE/POINT)"),
        ("plc.", "there is no adapter 'plc' for the point 'plc.'"),
        ("", "there is no adapter '' for the point ''"),
    ],
)
def test_what_names_no_adapter_is_refused_with_what_is_near(text, words):
    """In words."""
    with pytest.raises(RefusedError) as raised:
        split_point(text, ["plc"])
    assert str(raised.value).startswith(words)


def test_dots_stand_for_slashes_where_no_other_point_is_meant():
    """One that is there is itself; of two that it may mean, none is."""
    points = ["pump-1/setpoint", "pump-1.speed", "pump-1/speed", "a/b.c", "a.b/c"]
    assert [resolve(name, points) for name in ("pump-1.setpoint", "pump-1.speed", "pump-1/speed", "a.b.c", "none")] == [
        "pump-1/setpoint",
        "pump-1.speed",
        "pump-1/speed",
        "a.b.c",
        "none",
    ]


def test_point_that_is_not_there_is_said_with_what_is_near_or_that_there_are_none():
    """So that a user of an adapter without points does not look for a mistake in the name."""
    assert str(no_point("p/speeed", ["p/speed"])).endswith("(did you mean 'p/speed'?)")
    assert "this adapter has none to read or write" in str(no_point("p/speed", []))

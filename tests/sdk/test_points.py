"""What a point takes, and how text becomes its value."""

from __future__ import annotations

import pytest

from rt_edge.data.errors import RefusedError
from rt_edge.sdk import PointInfo, writable


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("bool", "on", True),
        ("bool", "False", False),
        ("bool", "0", False),
        ("int", "-5", -5),
        ("int", "0x1F", 31),
        ("float", "12.5", 12.5),
        ("float", "1e3", 1000.0),
        ("float", "7", 7),
        ("str", " as it is ", " as it is "),
        ("bytes", "0a FF", b"\n\xff"),
    ],
)
def test_text_becomes_the_value_of_the_point(kind, text, value):
    """By what the point holds, not by how the text looks."""
    found = PointInfo(kind=kind).parse(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(("kind", "text"), [("bool", "2"), ("int", "five"), ("float", ""), ("bytes", "0g"), ("int", "0xzz")])
def test_text_that_means_nothing_is_refused(kind, text):
    """With the text in the message."""
    with pytest.raises(RefusedError, match=repr(text)):
        PointInfo(kind=kind).parse(text)


@pytest.mark.parametrize("value", [10**400, -(2**63) - 1, 2**64, [1], {"a": 1}, None, "x" * 70_000, "\ud800", 1e400])
@pytest.mark.parametrize("kind", ["bool", "int", "float", "str", "bytes"])
def test_value_of_a_peer_that_cannot_be_carried_is_refused_briefly(kind, value):
    """Whatever came over the network: a short reason, no exception."""
    said = PointInfo(kind=kind, writable=True).refusal(value)
    assert 0 < len(said) < 250


def test_value_is_given_as_what_the_point_holds():
    """A whole number is one, a bool is one, whatever form it came in."""
    for kind, value, plain in (("int", 5.0, 5), ("bool", 1, True), ("float", 5, 5), ("str", "x", "x")):
        found = PointInfo(kind=kind).plain(value)
        assert (found, type(found)) == (plain, type(plain))


def test_bounds_are_said_in_words():
    """Both, or the one there is, with the unit."""
    assert PointInfo(min=0, max=100, unit="bar").bounds() == "0 to 100 bar"
    assert PointInfo(max=5).bounds() == "at most 5"
    assert PointInfo(min=-1).bounds() == "at least -1"


def test_writable_is_said_by_the_points():
    """One is enough."""
    assert writable({"a": PointInfo(), "b": PointInfo(writable=True)})
    assert not writable({"a": PointInfo()})

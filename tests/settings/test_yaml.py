"""YAML text to values and places."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from rt_edge.settings.places import Place, Problem
from rt_edge.settings.yaml_text import TEXT_BYTES_MAX, locate, read_yaml
from rt_edge.settings.yaml_tree import YamlRefused


def _plain(text: str) -> object:
    return read_yaml(text.encode(), "x.yaml").plain()


def test_reads_scalars_as_yaml_1_2_does_when_they_are_not_quoted() -> None:
    """Numbers, truths and nothing are what YAML 1.2 says; yes, no, on and off are texts."""
    text = "[1, -2, 0x1F, 0o17, 1.5, .5, 1e3, true, False, null, ~, yes, off, 1_000, 12:30, 1.2.3]"
    expected = [1, -2, 31, 15, 1.5, 0.5, 1000.0, True, False, None, None, "yes", "off", "1_000", "12:30", "1.2.3"]
    assert _plain(text) == expected
    assert [type(v) for v in _plain(text)] == [type(v) for v in expected]  # type: ignore[attr-defined]


def test_keeps_texts_when_they_are_quoted() -> None:
    """Quotes make a text of anything."""
    assert _plain("['1', \"true\", '', !!str 7]") == ["1", "true", "", "7"]


def test_reads_infinities_when_written_in_yaml() -> None:
    """.inf, -.inf and .nan are numbers."""
    found = _plain("[.inf, -.inf, .nan]")
    assert isinstance(found, list)
    assert found[:2] == [math.inf, -math.inf]
    assert math.isnan(found[2])


def test_makes_texts_of_keys_when_they_look_like_numbers() -> None:
    """Keys are names: 11 and true are texts there."""
    assert _plain("{11: a, true: b, ~: c}") == {"11": "a", "true": "b", "~": "c"}


def test_merges_mappings_when_asked_by_the_merge_key() -> None:
    """`<<` takes the keys of other mappings that the mapping has not itself; of several the first wins."""
    text = "a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc: {<<: [*a, *b], x: 9}\n"
    assert _plain(text) == {"a": {"x": 1, "y": 2}, "b": {"y": 3, "z": 4}, "c": {"x": 9, "y": 2, "z": 4}}


def test_knows_the_place_of_keys_and_values_when_asked() -> None:
    """Scalars are found at themselves, lists and mappings at their keys, what is missing at its nearest parent."""
    root = read_yaml(b"a:\n  b:\n    - c: 1\n    - [x, y]\n", "f")
    assert str(locate(root, ("a",), "f")) == "f:1:1"
    assert str(locate(root, ("a", "b", 0, "c"), "f")) == "f:3:10"
    assert str(locate(root, ("a", "b", 0, "c"), "f", key=True)) == "f:3:7"
    assert str(locate(root, ("a", "b", 1, 1), "f")) == "f:4:11"
    assert str(locate(root, ("a", "b", 7, "d"), "f")) == "f:2:3"


def test_points_at_the_definition_when_a_value_is_an_alias() -> None:
    """A value behind an alias stands where it was written."""
    root = read_yaml(b"a: &x {k: 1}\nb: *x\n", "f")
    assert str(locate(root, ("b", "k"), "f")) == "f:1:11"


def test_refuses_a_file_when_it_is_larger_than_the_limit() -> None:
    """A file above the limit is not even parsed."""
    with pytest.raises(YamlRefused, match="more than 4000000"):
        read_yaml(b"#" * (TEXT_BYTES_MAX + 1), "f")


TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=20).filter(
    lambda text: text[:1] != "?"
)
"""Without control characters, and not beginning with "?": ruamel's emitter does not write these so that it can be read back."""

JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(JSON_LIKE.filter(lambda v: v is not None))
def test_reads_back_the_same_values_when_ruamel_wrote_them(value: object) -> None:
    """What ruamel.yaml writes is read as the values it was given."""
    import io

    stream = io.StringIO()
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = None
    writer.dump({"v": value}, stream)
    assert _plain(stream.getvalue()) == {"v": value}


@given(st.binary(max_size=200) | st.text("{}[]:,-?&*!|>'\"%@`#\n\t ab1<", max_size=60).map(str.encode))
def test_never_fails_otherwise_when_the_bytes_are_anything(data: bytes) -> None:
    """Whatever the bytes, there is a tree, or errors with a place."""
    problems: list[Problem] = []
    try:
        read_yaml(data, "f").plain()
    except YamlRefused as error:
        problems = error.problems or [Problem(Place(""), "", "refused without a reason")]
    assert all(p.place.file == "f" for p in problems)

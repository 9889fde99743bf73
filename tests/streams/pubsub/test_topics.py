"""Topics and filters: the examples of the specification, and the tree against the plain function."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rt_edge.data.errors import ConfigError
from rt_edge.streams.pubsub.topics import TopicTree, check_filter, check_topic, matches

LEVEL = st.sampled_from(["a", "b", "", "$x"])
TOPIC = st.lists(LEVEL, min_size=1, max_size=4).map("/".join).filter(bool)
FILTER = st.tuples(st.lists(st.one_of(LEVEL, st.just("+")), min_size=1, max_size=4), st.booleans()).map(
    lambda parts: "/".join(parts[0] + ["#"] * parts[1])
)


@pytest.mark.parametrize(
    ("filter_", "topic", "holds"),
    [
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/ranking", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
        ("sport/#", "sport", True),
        ("#", "a/b/c", True),
        ("sport/tennis/+", "sport/tennis/player1", True),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+/+", "/finance", True),
        ("/+", "/finance", True),
        ("+", "/finance", False),
        ("#", "$SYS/x", False),
        ("+/monitor/Clients", "$SYS/monitor/Clients", False),
        ("$SYS/#", "$SYS/x", True),
        ("$SYS/monitor/+", "$SYS/monitor/Clients", True),
        ("a/#", "a/$x", True),
        ("A", "a", False),
    ],
)
def test_filter_matches_as_the_specification_says(filter_: str, topic: str, holds: bool) -> None:
    """MQTT 5, 4.7.1 and 4.7.2; function and tree agree."""
    assert matches(filter_, topic) == holds
    tree: TopicTree[int] = TopicTree()
    tree.add(check_filter(filter_), 1)
    assert tree.of(check_topic(topic)) == ((1,) if holds else ())


@given(st.lists(FILTER.filter(bool), max_size=8), st.lists(TOPIC, max_size=8), st.data())
def test_tree_finds_what_the_function_finds_when_filters_come_and_go(
    filters: list[str], topics: list[str], data: st.DataObject
) -> None:
    """Also after some were removed; an empty tree is empty inside, too."""
    tree: TopicTree[int] = TopicTree()
    there = dict(enumerate(filters))
    for number, filter_ in there.items():
        tree.add(filter_, number)
    for number in data.draw(st.sets(st.sampled_from(sorted(there)) if there else st.nothing())):
        tree.remove(there.pop(number), number)
        tree.remove("never/there", number)
    for topic in topics:
        assert Counter(tree.of(topic)) == Counter(number for number, filter_ in there.items() if matches(filter_, topic))
    assert len(tree) == len(there)
    for number, filter_ in there.items():
        tree.remove(filter_, number)
    assert not tree._root.children


@pytest.mark.parametrize("text", ["", "a/#/b", "a#", "a/b+", "x" * 70_000, "a\0b", "/" * 200, 3])
def test_filter_is_refused_when_it_is_none(text: str) -> None:
    """With the level that is wrong."""
    with pytest.raises(ConfigError):
        check_filter(text)


@pytest.mark.parametrize("text", ["a/+", "#", "", "a\0"])
def test_topic_is_refused_when_it_is_none(text: str) -> None:
    """Nothing is published under a wildcard."""
    with pytest.raises(ConfigError):
        check_topic(text)

"""Topic filters, templates and routes."""

from __future__ import annotations

import pytest

from adapters.mqtt.seam import Message
from adapters.mqtt.topics import CACHE, Router, check_filter, filter_of, matches, overlapping, variables_of


def message(topic: str, properties: bytes = b"") -> Message:
    return Message(topic, b"", 1, False, False, 1, properties)


@pytest.mark.parametrize(
    ("filter_", "topic", "yes"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", False),
        ("a/+", "a/b", True),
        ("a/+", "a", False),
        ("a/+", "a/", True),
        ("+/+", "/x", True),
        ("#", "a/b", True),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("$SYS/#", "$SYS/x", True),
    ],
)
def test_filter_decides_as_the_specification_says_when_matched(filter_: str, topic: str, yes: bool) -> None:
    """MQTT 5, 4.7: wildcards, empty levels, and topics that begin with a dollar."""
    assert matches(filter_, topic) is yes


@pytest.mark.parametrize("bad", ["", "a/b+", "a/#/b", "a#", "$share/g", "$share//x", "$share/g+/x", "a\0b"])
def test_filter_is_refused_when_malformed(bad: str) -> None:
    """A filter no broker would take is an error with a reason."""
    with pytest.raises(ValueError, match=r"level|bytes|shared"):
        check_filter(bad)


def test_template_gives_its_filter_when_there_is_none() -> None:
    """Variables become wildcards."""
    assert filter_of("plant/{line}/x/{rest...}") == "plant/+/x/#"
    with pytest.raises(ValueError, match="whole level"):
        filter_of("plant/line-{line}")


def test_template_is_refused_when_it_does_not_fit_the_filter() -> None:
    """A variable stands where the filter has a wildcard, and every wildcard has one or stays a wildcard."""
    assert variables_of("plant/{line}/telemetry", "plant/+/telemetry") == {"line": (1, False)}
    assert variables_of("plant/+/{rest...}", "$share/g/plant/+/#") == {"rest": (2, True)}
    for template, filter_ in [("a/{x}", "a/b"), ("a/{x}/c", "a/+"), ("b/{x}", "a/+"), ("a/b", "a/+"), ("{x}/{x}", "+/+")]:
        with pytest.raises(ValueError, match=r"fit|twice"):
            variables_of(template, filter_)


def test_route_names_device_and_tags_when_a_template_has_them() -> None:
    """`device` decides the source; all variables are tags; the first matching subscription wins."""
    router = Router(
        "hub",
        [
            ("site/+/dev/+", "site/{site}/dev/{device}", None),
            ("line/+/+", "line/{line}/{cell}", "{line}-{cell}"),
            ("#", "{all...}", None),
        ],
    )
    first = router.route(message("site/x/dev/7"))
    assert first is not None
    assert (first.source, first.tags, first.index) == ("hub/7", {"site": "x", "device": "7"}, 0)
    second = router.route(message("line/1/b"))
    assert second is not None
    assert second.source == "hub/1-b"
    rest = router.route(message("q/w/e"))
    assert rest is not None
    assert (rest.source, rest.tags) == ("hub/q/w/e", {"all": "q/w/e"})
    assert router.route(message("$SYS/x")) is None


def test_router_stays_bounded_when_every_topic_is_new() -> None:
    """Topics come from outside: the cache does not grow with them."""
    router = Router("hub", [("#", None, None)])
    for n in range(CACHE + 100):
        assert router.route(message(f"t/{n}")) is not None
    assert len(router._cache) <= CACHE


def test_route_takes_only_the_first_subscriptions_copy_when_identifiers_tell_copies_apart() -> None:
    """Overlapping subscriptions: of two copies one is taken, a copy for both is taken once."""
    router = Router("hub", [("a/+", None, None), ("a/#", None, None)])
    assert router.route(message("a/b", b"\x0b\x02"), identified=True) is None
    assert router.route(message("a/b", b"\x0b\x01"), identified=True) is not None
    assert router.route(message("a/b", b"\x0b\x02\x0b\x01"), identified=True) is not None
    assert router.route(message("a/b/c", b"\x0b\x02"), identified=True) is not None


def test_overlap_is_seen_when_one_topic_fits_two_filters() -> None:
    """Only overlapping filters need identifiers."""
    assert overlapping(["a/+", "a/b"])
    assert overlapping(["a/#", "a"])
    assert overlapping(["$share/g/a/+", "a/b"])
    assert not overlapping(["a/+", "b/+", "a/+/c"])

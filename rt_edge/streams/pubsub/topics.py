"""Topics: names, filters with wildcards (MQTT 5, 4.7), and a tree that finds who has subscribed to a topic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from rt_edge.data.errors import ConfigError

T = TypeVar("T")

BYTES_MOST = 65_535
LEVELS_MOST = 128
"""Levels of a topic or filter: the tree is walked by recursion on them."""

CACHE = 4096
"""Topics whose subscriptions are remembered."""


def check_topic(topic: str) -> str:
    """`topic`, if something can be published under it.

    Raises:
        ConfigError: it is empty, too long, has a NUL or a wildcard.
    """
    _check(topic, "topic")
    if "+" in topic or "#" in topic:
        raise ConfigError(f"{topic!r} is no topic: + and # are wildcards", "they are for subscriptions")
    return topic


def check_filter(text: str) -> str:
    """`text`, if it can be subscribed to.

    Raises:
        ConfigError: it is empty, too long, has a NUL or a wildcard in a wrong place.
    """
    _check(text, "filter")
    levels = text.split("/")
    for number, level in enumerate(levels, 1):
        if level == "#" and number != len(levels):
            raise ConfigError(f"level {number} of {text!r}: # stands only at the end")
        if len(level) > 1 and ("#" in level or "+" in level):
            raise ConfigError(f"level {number} of {text!r}: + and # stand alone in their level")
    return text


def _check(text: str, what: str) -> None:
    if not isinstance(text, str) or not text or "\0" in text or len(text.encode("utf-8", "replace")) > BYTES_MOST:
        raise ConfigError(f"a {what} is a text of 1 to {BYTES_MOST:,} bytes without NUL, not {text!r:.60}")
    if text.count("/") >= LEVELS_MOST:
        raise ConfigError(f"a {what} has at most {LEVELS_MOST} levels")


def matches(filter_: str, topic: str) -> bool:
    """Whether a topic belongs to a filter; wildcards at the begin do not reach topics that begin with `$` (MQTT 5, 4.7.2)."""
    if topic.startswith("$") and filter_[0] in "+#":
        return False
    wanted, levels = filter_.split("/"), topic.split("/")
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(levels) or level not in ("+", levels[index]):
            return False
    return len(wanted) == len(levels)


class _Node(Generic[T]):
    __slots__ = ("children", "values")

    def __init__(self) -> None:
        self.children: dict[str, _Node[T]] = {}
        self.values: list[T] = []


class TopicTree(Generic[T]):
    """Values by filter. A lookup costs by the levels of the topic, not by the number of filters."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        self._known: dict[str, tuple[T, ...]] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, filter_: str, value: T) -> None:
        """`value` belongs to `filter_`; the filter was checked."""
        node = self._root
        for level in filter_.split("/"):
            node = node.children.setdefault(level, _Node())
        node.values.append(value)
        self._size += 1
        self._known.clear()

    def remove(self, filter_: str, value: T) -> None:
        """Not any more; what is not there is not removed."""
        path = [self._root]
        levels = filter_.split("/")
        for level in levels:
            child = path[-1].children.get(level)
            if child is None:
                return
            path.append(child)
        if value not in path[-1].values:
            return
        path[-1].values.remove(value)
        self._size -= 1
        self._known.clear()
        for parent, level, node in zip(path[-2::-1], levels[::-1], path[:0:-1], strict=True):
            if node.values or node.children:
                break
            del parent.children[level]

    def of(self, topic: str) -> tuple[T, ...]:
        """The values of all filters that the topic belongs to; one that has several such filters is there several times."""
        found = self._known.get(topic)
        if found is None:
            found = tuple(self._find(self._root, topic.split("/"), 0, topic.startswith("$")))
            if len(self._known) >= CACHE:
                self._known.clear()
            self._known[topic] = found
        return found

    def _find(self, node: _Node[T], levels: list[str], at: int, hidden: bool) -> Iterator[T]:
        rest = node.children.get("#")
        if rest is not None and not hidden:
            yield from rest.values
        if at == len(levels):
            yield from node.values
            return
        names = (levels[at],) if hidden else (levels[at], "+")
        for name in names:
            child = node.children.get(name)
            if child is not None:
                yield from self._find(child, levels, at + 1, False)

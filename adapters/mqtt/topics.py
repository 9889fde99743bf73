"""Topic filters and templates: which subscription a message belongs to, its device and its tags.

A template is written like a topic: `plant/{line}/telemetry` names the level that a `+` stands for, `{rest...}` at the end the
levels of a `#`. Each name becomes a tag; the name `device` decides the Reading's source.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from adapters.mqtt.properties import subscription_identifiers
from adapters.mqtt.retained import StateKey, topic_key
from adapters.mqtt.seam import Message

_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(\.\.\.)?\}\Z")
_FIELD = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
CACHE = 4096
"""Topics whose route is remembered."""


def check_filter(text: str) -> str:
    """`text` if it is a topic filter (MQTT 5, 4.7).

    Raises:
        ValueError: with place and reason.
    """
    levels = unshared(text).split("/")
    if not text or len(text.encode()) > 65535 or "\0" in text or levels == [""]:
        raise ValueError("a topic filter has 1 to 65,535 bytes and no NUL")
    for number, level in enumerate(levels, 1):
        if level == "#" and number != len(levels):
            raise ValueError(f"level {number} of {text!r}: '#' stands only at the end")
        if ("#" in level or "+" in level) and len(level) > 1:
            raise ValueError(f"level {number} of {text!r}: '+' and '#' stand alone in their level, not in {level!r}")
    return text


def unshared(text: str) -> str:
    """The filter inside `$share/group/filter`; other filters as they are.

    Raises:
        ValueError: a share name that is missing or has a wildcard in it.
    """
    if not text.startswith("$share/"):
        return text
    _, group, *rest = text.split("/", 2)
    if not group or not rest or not rest[0] or "+" in group or "#" in group:
        raise ValueError(f"{text!r}: a shared subscription is $share/GROUP/FILTER")
    return rest[0]


def filter_of(template: str) -> str:
    """The topic filter a template stands for: `plant/{line}/{rest...}` -> `plant/+/#`.

    Raises:
        ValueError: a level that mixes text and a variable.
    """
    levels = []
    for number, level in enumerate(template.split("/"), 1):
        match = _VARIABLE.match(level)
        if match:
            levels.append("#" if match[2] else "+")
        elif "{" in level or "}" in level:
            raise ValueError(f"level {number} of {template!r}: a variable is a whole level, like {{line}} or {{rest...}}")
        else:
            levels.append(level)
    return check_filter("/".join(levels))


def variables_of(template: str, filter_: str) -> dict[str, tuple[int, bool]]:
    """Name -> (level, whether it takes all levels from there) of a template that fits `filter_`.

    Raises:
        ValueError: it does not fit, or names a variable twice.
    """
    if filter_of(template) != unshared(filter_) and not _fits(template, unshared(filter_)):
        raise ValueError(
            f"the template {template!r} does not fit the filter {filter_!r}: a variable stands where the filter has + or #"
        )
    names: dict[str, tuple[int, bool]] = {}
    for index, level in enumerate(template.split("/")):
        match = _VARIABLE.match(level)
        if match and match[1] in names:
            raise ValueError(f"the template {template!r} names {match[1]!r} twice")
        if match:
            names[match[1]] = (index, bool(match[2]))
    return names


def _fits(template: str, filter_: str) -> bool:
    """Whether each wildcard of the filter meets a variable or a wildcard, and each text the same text."""
    ours, theirs = template.split("/"), filter_.split("/")
    if len(ours) != len(theirs):
        return False
    for mine, its in zip(ours, theirs, strict=True):
        match = _VARIABLE.match(mine)
        if (its == "#") != (mine == "#" or bool(match and match[2])):
            return False
        if its not in ("+", "#") and mine != its:
            return False
        if its == "+" and mine != "+" and not match:
            return False
    return True


def device_names(text: str) -> list[str]:
    """The variables in a device name like `{line}-{cell}`."""
    return _FIELD.findall(text)


def matches(filter_: str, topic: str) -> bool:
    """Whether a topic belongs to an (unshared) filter; wildcards do not reach topics that begin with `$` (MQTT 5, 4.7.2)."""
    if topic.startswith("$") and filter_[:1] in ("+", "#"):
        return False
    wanted, levels = filter_.split("/"), topic.split("/")
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(levels) or (level not in ("+", levels[index])):
            return False
    return len(wanted) == len(levels)


def overlapping(filters: Sequence[str]) -> bool:
    """Whether some topic may belong to two of the filters."""
    plain = [unshared(f).split("/") for f in filters]
    return any(_meet(a, b) for i, a in enumerate(plain) for b in plain[:i])


def _meet(a: list[str], b: list[str]) -> bool:
    for index in range(max(len(a), len(b))):
        left = a[index] if index < len(a) else None
        right = b[index] if index < len(b) else None
        if left == "#" or right == "#":
            return True
        if left is None or right is None or (left != right and "+" not in (left, right)):
            return False
    return True


class Route:
    """Where messages of one topic go.

    Attributes:
        index: number of the subscription, as configured.
        source: `adapter/device`.
        tags: values of the template's variables.
        state: by what its last state is remembered; None: it is not.
    """

    __slots__ = ("index", "source", "state", "tags")

    def __init__(self, index: int, source: str, tags: dict[str, str], state: StateKey | None = None) -> None:
        self.index = index
        self.source = source
        self.tags = tags
        self.state = state


class Router:
    """Finds the subscription of a message: the first, in the order of the configuration, whose filter matches.

    Args:
        name: the adapter's name, first part of every source.
        subscriptions: (filter, template or None, device name or None) of each.
        salts: what the states of each are remembered with, 0: not at all; without them none is.
    """

    def __init__(self, name: str, subscriptions: Sequence[tuple[str, str | None, str | None]], salts: Sequence[int] = ()) -> None:
        self._name = name
        self._salts = salts or [0] * len(subscriptions)
        self._rules = []
        for filter_, template, device in subscriptions:
            variables = variables_of(template, filter_) if template else {}
            self._rules.append((unshared(filter_), variables, device))
        self._cache: dict[str, Route] = {}

    def route(self, message: Message, identified: bool = False) -> Route | None:
        """The route of a message; None where no subscription takes it.

        Args:
            message: what came.
            identified: the subscriptions carry identifiers (1 for the first): a copy that the broker made for another
                subscription than the first that matches is not taken, since the first gets its own.
        """
        topic = message.topic
        route = self._cache.get(topic)
        if route is None:
            route = self._resolve(topic)
            if route is None:
                return None
            if len(self._cache) >= CACHE:
                self._cache.clear()
            self._cache[topic] = route
        if identified:
            identifiers = subscription_identifiers(message.properties)
            if identifiers and route.index + 1 not in identifiers:  # also a copy that was made for a point's state
                return None
        return route

    def _resolve(self, topic: str) -> Route | None:
        for index, (filter_, variables, device) in enumerate(self._rules):
            if matches(filter_, topic):
                levels = topic.split("/")
                tags = {name: "/".join(levels[at:]) if rest else levels[at] for name, (at, rest) in variables.items()}
                name = _FIELD.sub(lambda m: tags[m[1]], device) if device else tags.get("device", topic)  # noqa: B023
                salt = self._salts[index]
                return Route(index, f"{self._name}/{name}", tags, (topic_key(topic), salt) if salt else None)
        return None

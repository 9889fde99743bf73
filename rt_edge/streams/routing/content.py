"""Content-based routing: a predicate for each routee."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from rt_edge.data.errors import ConfigError
from rt_edge.data.reading import Reading
from rt_edge.streams.expression import compile_predicate
from rt_edge.streams.routing.routee import Routee
from rt_edge.streams.routing.strategy import NOBODY, Strategy

Where = str | Callable[[Any], Any]
"""An expression on the fields of a reading, or a function of an element; true: it is for this one."""

Matching = Literal["first", "all"]


def predicate(where: Where) -> Callable[[Any], bool]:
    """A function of one element; an expression also takes a mapping, as the fields of a reading.

    A missing field means false. What the predicate raises comes out.

    Raises:
        ConfigError: neither an expression that compiles nor a function.
    """
    if callable(where):
        return lambda element: bool(where(element))
    if not isinstance(where, str):
        raise ConfigError(f"{where!r} is no condition", "like: temperature > 80")
    run = compile_predicate(where).run

    def holds(element: Any) -> bool:
        reading = Reading("", 0, dict(element)) if isinstance(element, Mapping) else element
        truths, _, failures = run([reading])
        if failures:
            raise failures[0][1]
        return bool(truths[0])

    return holds


class ByContent(Strategy):
    """Those whose predicate is true for the element: all of them, or the first. A routee without one gets everything.

    An element that nobody wants is for NOBODY at once; `wanted` tells this from having to wait.

    Args:
        matching: `first`: in the order of the routees.
    """

    waits: ClassVar[bool] = True

    def __init__(self, matching: Matching = "all") -> None:
        self._first = matching == "first"
        self._predicates: dict[str, Callable[[Any], bool]] = {}

    def set(self, name: str, where: Where | None) -> None:
        """What the routee `name` wants; None: everything.

        Raises:
            ConfigError: no condition.
        """
        if where is None:
            self._predicates.pop(name, None)
        else:
            self._predicates[name] = predicate(where)

    def wanted(self, element: Any, routees: Sequence[Routee]) -> bool:
        """Whether anybody wants it."""
        return bool(self.choose(element, routees))

    def choose(self, element: Any, routees: Sequence[Routee]) -> Sequence[int]:
        """Those who want it. Raises what a predicate raises."""
        found = []
        for place, routee in enumerate(routees):
            wants = self._predicates.get(routee.name)
            if wants is None or wants(element):
                found.append(place)
                if self._first:
                    break
        return found or NOBODY

    def capacity(self, routees: Sequence[Routee]) -> int:
        """As much as the one who asks for the most."""
        return max((routee.credit for routee in routees), default=0)

"""Elements: operators that let elements pass, change them, or leave some out, one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Self

from rt_edge.streams.dsl.operators.continuation import A, B, Continuation, builds
from rt_edge.streams.stages._common import OnError
from rt_edge.streams.stages.drop import Drop
from rt_edge.streams.stages.filter import Filter
from rt_edge.streams.stages.filter_expression import FilterExpression
from rt_edge.streams.stages.map import Map
from rt_edge.streams.stages.map_concat import MapConcat
from rt_edge.streams.stages.set_fields import SetFields
from rt_edge.streams.stages.take import Take


class Elements(Continuation[A]):
    """Operators that let elements pass, change them, or leave some out, one by one."""

    @builds(Map)
    def map(self, function: Callable[[A], B], on_error: OnError = "stop", name: str = "") -> Continuation[B]:
        """Each element replaced by a function of it."""
        return self._becomes(Map(function=function, on_error=on_error), name)

    @builds(Filter)
    def filter(self, predicate: Callable[[A], Any], on_error: OnError = "stop", name: str = "") -> Self:
        """The elements for which `predicate` is true."""
        return self.via(Filter(predicate=predicate, on_error=on_error), name)

    @builds(FilterExpression)
    def where(self, expression: str, on_error: OnError = "resume", name: str = "") -> Self:
        """The readings for which an expression like `temperature > -40` is true."""
        return self.via(FilterExpression(where=expression, on_error=on_error), name)

    @builds(SetFields)
    def set_fields(self, fields: dict[str, str | int | float | bool], on_error: OnError = "resume", name: str = "") -> Self:
        """Fields of each reading set to the values of expressions like `pressure * 14.5038`."""
        return self.via(SetFields(fields=fields, on_error=on_error), name)

    @builds(MapConcat)
    def map_concat(self, function: Callable[[A], Iterable[B]], on_error: OnError = "stop", name: str = "") -> Continuation[B]:
        """Each element replaced by the elements of an iterable."""
        return self._becomes(MapConcat(function=function, on_error=on_error), name)

    @builds(Take)
    def take(self, count: int, name: str = "") -> Self:
        """The first `count` elements, then the end."""
        return self.via(Take(count=count), name)

    @builds(Drop)
    def drop(self, count: int, name: str = "") -> Self:
        """All but the first `count` elements."""
        return self.via(Drop(count=count), name)

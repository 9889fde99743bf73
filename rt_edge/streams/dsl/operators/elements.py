"""Elements: operators that let elements pass, change them, or leave some out, one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Self

from rt_edge.streams.dsl.operators.continuation import A, B, Continuation, builds
from rt_edge.streams.stages._common import OnError
from rt_edge.streams.stages.drop_repeated import DropRepeated
from rt_edge.streams.stages.filter import Filter
from rt_edge.streams.stages.filter_expression import FilterExpression
from rt_edge.streams.stages.map import Map
from rt_edge.streams.stages.map_concat import MapConcat
from rt_edge.streams.stages.map_option import MapOption
from rt_edge.streams.stages.set_fields import SetFields


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

    def filter_not(self, predicate: Callable[[A], Any], on_error: OnError = "stop", name: str = "") -> Self:
        """The elements for which `predicate` is false: `filter` with the opposite."""
        return self.via(Filter(predicate=lambda element: not predicate(element), on_error=on_error), name)

    def collect_type(self, kind: type[B], name: str = "") -> Continuation[B]:
        """The elements that are instances of `kind`: a `filter`."""
        return self._becomes(Filter(predicate=lambda element: isinstance(element, kind)), name)

    @builds(FilterExpression)
    def where(self, expression: str, on_error: OnError = "resume", name: str = "") -> Self:
        """The readings for which an expression like `temperature > -40` is true."""
        return self.via(FilterExpression(where=expression, on_error=on_error), name)

    @builds(SetFields)
    def set_fields(self, fields: dict[str, str | int | float | bool], on_error: OnError = "resume", name: str = "") -> Self:
        """Fields of each reading set to the values of expressions like `pressure * 14.5038`."""
        return self.via(SetFields(fields=fields, on_error=on_error), name)

    @builds(MapOption)
    def map_option(self, function: Callable[[A], B | None], on_error: OnError = "stop", name: str = "") -> Continuation[B]:
        """Each element replaced by a function of it, or left out where that is None: None is no element (rule 2.13)."""
        return self._becomes(MapOption(function=function, on_error=on_error), name)

    def choose(self, function: Callable[[A], B | None], on_error: OnError = "stop", name: str = "") -> Continuation[B]:
        """`map_option` under another name: a partial function, which is None where it is not defined (Pekko's `collect`)."""
        return self._becomes(MapOption(function=function, on_error=on_error), name)

    def flatten_optional(self, name: str = "") -> Continuation[Any]:
        """Elements that hold one element or none, as a list or tuple does: what they hold. A `map_concat`."""
        return self._becomes(MapConcat(function=_contents), name)

    @builds(DropRepeated)
    def drop_repeated(self, by: str | Callable[[A], Any] | None = None, on_error: OnError = "resume", name: str = "") -> Self:
        """The elements that differ, or whose keys differ, from the one before."""
        return self.via(DropRepeated(by=by, on_error=on_error), name)

    @builds(MapConcat)
    def map_concat(self, function: Callable[[A], Iterable[B]], on_error: OnError = "stop", name: str = "") -> Continuation[B]:
        """Each element replaced by the elements of an iterable."""
        return self._becomes(MapConcat(function=function, on_error=on_error), name)


def _contents(element: Any) -> Any:
    return element

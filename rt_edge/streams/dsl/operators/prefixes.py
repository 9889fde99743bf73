"""Prefixes: operators that keep the beginning or the end of a stream, or leave it out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from rt_edge.streams.dsl.operators.continuation import A, B, Continuation, builds
from rt_edge.streams.stages._common import OnError
from rt_edge.streams.stages.drop import Drop
from rt_edge.streams.stages.drop_last import DropLast
from rt_edge.streams.stages.drop_while import DropWhile
from rt_edge.streams.stages.limit import Limit
from rt_edge.streams.stages.limit_weighted import LimitWeighted
from rt_edge.streams.stages.map_option import MapOption
from rt_edge.streams.stages.map_while import MapWhile
from rt_edge.streams.stages.take import Take
from rt_edge.streams.stages.take_last import TakeLast
from rt_edge.streams.stages.take_until import TakeUntil
from rt_edge.streams.stages.take_while import TakeWhile


class Prefixes(Continuation[A]):
    """Operators that keep the beginning or the end of a stream, or leave it out."""

    @builds(Take)
    def take(self, count: int, name: str = "") -> Self:
        """The first `count` elements, then the end."""
        return self.via(Take(count=count), name)

    @builds(TakeWhile)
    def take_while(
        self, predicate: str | Callable[[A], Any], inclusive: bool = False, on_error: OnError = "resume", name: str = ""
    ) -> Self:
        """The elements up to the first for which `predicate` is false; with `inclusive` that one too."""
        return self.via(TakeWhile(predicate=predicate, inclusive=inclusive, on_error=on_error), name)

    @builds(TakeUntil)
    def take_until(self, predicate: str | Callable[[A], Any], on_error: OnError = "resume", name: str = "") -> Self:
        """The elements up to the first for which `predicate` is true, that one too."""
        return self.via(TakeUntil(predicate=predicate, on_error=on_error), name)

    @builds(TakeLast)
    def take_last(self, count: int, name: str = "") -> Self:
        """The last `count` elements, when the stream ends."""
        return self.via(TakeLast(count=count), name)

    @builds(MapWhile)
    def collect_while(self, function: Callable[[A], B | None], on_error: OnError = "stop", name: str = "") -> Continuation[B]:
        """Each element replaced by a function of it, up to the first for which that is None."""
        return self._becomes(MapWhile(function=function, on_error=on_error), name)

    def collect_first(self, function: Callable[[A], B | None], on_error: OnError = "stop", name: str = "") -> Continuation[B]:
        """The first result of a function that is not None, then the end: `map_option` and `take(1)`."""
        return self._becomes(MapOption(function=function, on_error=on_error), name).via(Take(count=1))

    @builds(Drop)
    def drop(self, count: int, name: str = "") -> Self:
        """All but the first `count` elements."""
        return self.via(Drop(count=count), name)

    @builds(DropWhile)
    def drop_while(self, predicate: str | Callable[[A], Any], on_error: OnError = "resume", name: str = "") -> Self:
        """The elements from the first on for which `predicate` is false."""
        return self.via(DropWhile(predicate=predicate, on_error=on_error), name)

    @builds(DropLast)
    def drop_last(self, count: int, name: str = "") -> Self:
        """All but the last `count` elements."""
        return self.via(DropLast(count=count), name)

    @builds(Limit)
    def limit(self, count: int, name: str = "") -> Self:
        """All elements, which are `count` at most: one more is an error."""
        return self.via(Limit(count=count), name)

    @builds(LimitWeighted)
    def limit_weighted(
        self, weight: float, cost: str | Callable[[A], float], on_error: OnError = "resume", name: str = ""
    ) -> Self:
        """All elements, whose costs add up to `weight` at most: more is an error."""
        return self.via(LimitWeighted(weight=weight, cost=cost, on_error=on_error), name)

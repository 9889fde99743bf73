"""Stateful: operators that remember something of the elements before, or look at the stream as it passes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, Self, TypeVar

from rt_edge.data.units import Duration
from rt_edge.streams.dsl.operators.continuation import A, B, Continuation, builds
from rt_edge.streams.stages._common import OnError
from rt_edge.streams.stages.buffer import Buffer
from rt_edge.streams.stages.do_on_cancel import DoOnCancel
from rt_edge.streams.stages.do_on_first import DoOnFirst
from rt_edge.streams.stages.intersperse import Intersperse
from rt_edge.streams.stages.log import Log
from rt_edge.streams.stages.stateful_map import StatefulMap, no_last_element
from rt_edge.streams.stages.stateful_map_concat import StatefulMapConcat
from rt_edge.streams.stages.zip_with_index import ZipWithIndex

S = TypeVar("S")
"""What an operator remembers."""


class Stateful(Continuation[A]):
    """Operators that remember something of the elements before, or look at the stream as it passes."""

    @builds(StatefulMap)
    def stateful_map(
        self,
        create: Callable[[], S],
        function: Callable[[S, A], tuple[S, B]],
        on_complete: Callable[[S], B | None] = no_last_element,
        on_error: OnError = "stop",
        name: str = "",
    ) -> Continuation[B]:
        """Each element replaced by a function of it and of a state, which the function replaces too."""
        stage = StatefulMap(create=create, function=function, on_complete=on_complete, on_error=on_error)
        return self._becomes(stage, name)

    def map_with_resource(
        self,
        create: Callable[[], S],
        function: Callable[[S, A], B],
        close: Callable[[S], B | None],
        on_error: OnError = "stop",
        name: str = "",
    ) -> Continuation[B]:
        """Each element replaced by a function of it and of something that is opened for a run, and closed however it ends: a
        `stateful_map` whose state stays. What `close` gives, if not None, comes behind the last element."""
        stage = StatefulMap(create=create, function=lambda s, x: (s, function(s, x)), on_complete=close, on_error=on_error)
        return self._becomes(stage, name)

    @builds(StatefulMapConcat)
    def stateful_map_concat(
        self, create: Callable[[], Callable[[A], Iterable[B]]], on_error: OnError = "stop", name: str = ""
    ) -> Continuation[B]:
        """Each element replaced by the elements of an iterable, by a function that `create` makes for each run."""
        return self._becomes(StatefulMapConcat(create=create, on_error=on_error), name)

    @builds(ZipWithIndex)
    def zip_with_index(self, field: str = "", name: str = "") -> Continuation[tuple[A, int]]:
        """Each element with its number, from 0; of readings, if a `field` is named, with the number as that field."""
        return self._becomes(ZipWithIndex(field), name)

    @builds(Intersperse)
    def intersperse(self, between: A, start: A | None = None, end: A | None = None, name: str = "") -> Self:
        """An element between all others; one in front of the first and one behind the last, if they are given."""
        return self.via(Intersperse(between=between, start=start, end=end), name)

    def detach(self, name: str = "") -> Self:
        """One element is asked for before downstream does: a `buffer` for one."""
        return self.via(Buffer(size=1), name)

    @builds(DoOnFirst)
    def do_on_first(self, function: Callable[[A], Any], on_error: OnError = "stop", name: str = "") -> Self:
        """A function called with the first element."""
        return self.via(DoOnFirst(function=function, on_error=on_error), name)

    @builds(DoOnCancel)
    def do_on_cancel(self, function: Callable[[BaseException | None], Any], name: str = "") -> Self:
        """A function called when downstream cancels, with the cause or None."""
        return self.via(DoOnCancel(function=function), name)

    @builds(Log)
    def log(
        self,
        value: str | Callable[[A], Any] | None = None,
        level: Literal["debug", "info", "warning", "error"] = "info",
        most: int = 10,
        per: Duration | float = 1.0,
        fields: dict[str, str] | None = None,
        name: str = "",
    ) -> Self:
        """Elements in the log, at most so many lines in so many seconds, and how the stream ended."""
        return self.via(Log(value=value, level=level, most=most, per=per, fields=fields), name)

"""Combining: operators that make one element of several."""

from __future__ import annotations

from collections.abc import Callable

from rt_edge.data.units import Duration
from rt_edge.streams.dsl.operators.continuation import A, B, Continuation, builds
from rt_edge.streams.stages._common import OnError, Settle
from rt_edge.streams.stages.fold import Fold
from rt_edge.streams.stages.grouped import Grouped
from rt_edge.streams.stages.grouped_within import GroupedWithin
from rt_edge.streams.stages.scan import Scan


class Combining(Continuation[A]):
    """Operators that make one element of several."""

    @builds(Grouped)
    def grouped(self, count: int, settle: Settle = "end", name: str = "") -> Continuation[list[A]]:
        """Lists of `count` elements; the last may be shorter."""
        return self._becomes(Grouped(count=count, settle=settle), name)

    @builds(GroupedWithin)
    def grouped_within(
        self, count: int, within: Duration | float, settle: Settle = "end", name: str = ""
    ) -> Continuation[list[A]]:
        """Lists of up to `count` elements that came within so many seconds."""
        return self._becomes(GroupedWithin(count=count, within=within, settle=settle), name)

    @builds(Scan)
    def scan(self, zero: B, function: Callable[[B, A], B], on_error: OnError = "stop", name: str = "") -> Continuation[B]:
        """`zero`, then each intermediate result of a fold."""
        return self._becomes(Scan(zero=zero, function=function, on_error=on_error), name)

    @builds(Fold)
    def fold(
        self,
        zero: B,
        function: Callable[[B, A], B],
        on_error: OnError = "stop",
        settle: Settle = "end",
        name: str = "",
    ) -> Continuation[B]:
        """The result of a fold over all elements, as one element."""
        return self._becomes(Fold(zero=zero, function=function, on_error=on_error, settle=settle), name)

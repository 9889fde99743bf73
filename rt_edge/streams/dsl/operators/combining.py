"""Combining: operators that make one element of several."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Self

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.data.units import Duration
from rt_edge.streams.dsl.operators.continuation import A, B, Continuation, builds
from rt_edge.streams.stages._common import OnError, Settle
from rt_edge.streams.stages.fold import Fold
from rt_edge.streams.stages.fold_async import FoldAsync
from rt_edge.streams.stages.fold_while import FoldWhile
from rt_edge.streams.stages.grouped import Grouped
from rt_edge.streams.stages.grouped_adjacent_by import GroupedAdjacentBy
from rt_edge.streams.stages.grouped_adjacent_by_weighted import GroupedAdjacentByWeighted
from rt_edge.streams.stages.grouped_weighted import GroupedWeighted
from rt_edge.streams.stages.grouped_within import GroupedWithin
from rt_edge.streams.stages.reduce import Reduce
from rt_edge.streams.stages.scan import Scan
from rt_edge.streams.stages.scan_async import ScanAsync
from rt_edge.streams.stages.sliding import Sliding


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

    @builds(GroupedWeighted)
    def grouped_weighted(
        self,
        weight: float,
        cost: str | Callable[[A], float],
        most: int = CHUNK_ELEMENTS,
        on_error: OnError = "resume",
        settle: Settle = "end",
        name: str = "",
    ) -> Continuation[list[A]]:
        """Lists whose elements cost `weight` or more; the last may cost less."""
        stage = GroupedWeighted(weight=weight, cost=cost, most=most, on_error=on_error, settle=settle)
        return self._becomes(stage, name)

    @builds(GroupedAdjacentBy)
    def grouped_adjacent_by(
        self,
        by: str | Callable[[A], Any],
        most: int = CHUNK_ELEMENTS,
        on_error: OnError = "resume",
        settle: Settle = "end",
        name: str = "",
    ) -> Continuation[list[A]]:
        """Lists of neighbours with the same key."""
        return self._becomes(GroupedAdjacentBy(by=by, most=most, on_error=on_error, settle=settle), name)

    @builds(GroupedAdjacentByWeighted)
    def grouped_adjacent_by_weighted(
        self,
        by: str | Callable[[A], Any],
        weight: float,
        cost: str | Callable[[A], float],
        most: int = CHUNK_ELEMENTS,
        on_error: OnError = "resume",
        settle: Settle = "end",
        name: str = "",
    ) -> Continuation[list[A]]:
        """Lists of neighbours with the same key that cost `weight` at most."""
        stage = GroupedAdjacentByWeighted(by=by, weight=weight, cost=cost, most=most, on_error=on_error, settle=settle)
        return self._becomes(stage, name)

    @builds(Sliding)
    def sliding(self, count: int, step: int = 1, settle: Settle = "end", name: str = "") -> Continuation[list[A]]:
        """Lists of `count` elements, each beginning `step` elements after the one before."""
        return self._becomes(Sliding(count=count, step=step, settle=settle), name)

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

    @builds(ScanAsync)
    def scan_async(
        self, zero: B, function: Callable[[B, A], Awaitable[B]], on_error: OnError = "stop", name: str = ""
    ) -> Continuation[B]:
        """`zero`, then each intermediate result of a fold by a coroutine function."""
        return self._becomes(ScanAsync(zero=zero, function=function, on_error=on_error), name)

    @builds(FoldAsync)
    def fold_async(
        self,
        zero: B,
        function: Callable[[B, A], Awaitable[B]],
        on_error: OnError = "stop",
        settle: Settle = "end",
        name: str = "",
    ) -> Continuation[B]:
        """The result of a fold by a coroutine function, as one element."""
        return self._becomes(FoldAsync(zero=zero, function=function, on_error=on_error, settle=settle), name)

    @builds(FoldWhile)
    def fold_while(
        self,
        zero: B,
        predicate: Callable[[B], Any],
        function: Callable[[B, A], B],
        on_error: OnError = "stop",
        settle: Settle = "end",
        name: str = "",
    ) -> Continuation[B]:
        """The result of a fold over the elements that come as long as `predicate` is true of it, as one element."""
        stage = FoldWhile(zero=zero, predicate=predicate, function=function, on_error=on_error, settle=settle)
        return self._becomes(stage, name)

    @builds(Reduce)
    def reduce(self, function: Callable[[A, A], A], on_error: OnError = "stop", settle: Settle = "end", name: str = "") -> Self:
        """The result of a fold that begins with the first element, as one element; without an element an error."""
        return self.via(Reduce(function=function, on_error=on_error, settle=settle), name)

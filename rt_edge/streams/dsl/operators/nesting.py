"""Nesting: operators that run streams inside a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, Self

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.data.units import Duration
from rt_edge.protocol.roles import Publisher
from rt_edge.streams.dsl.operators.continuation import A, B, Continuation, builds
from rt_edge.streams.stages._common import OnError
from rt_edge.streams.stages._keys import MAX_KEYS, Per
from rt_edge.streams.stages.flat_map_merge import FlatMapMerge
from rt_edge.streams.stages.flat_map_prefix import FlatMapPrefix
from rt_edge.streams.stages.group_by import GroupBy
from rt_edge.streams.stages.lazy_flow import LazyFlow
from rt_edge.streams.stages.or_else import OrElse
from rt_edge.streams.stages.prefix_and_tail import PrefixAndTail
from rt_edge.streams.stages.split_when import SplitWhen
from rt_edge.streams.stages.switch_map import SwitchMap

if TYPE_CHECKING:
    from rt_edge.streams.dsl.linear import Flow, Source


class Nesting(Continuation[A]):
    """Operators that run streams inside a stream."""

    @builds(FlatMapMerge)
    def flat_map_merge(
        self,
        function: Callable[[A], Source[B] | Publisher[B] | Iterable[B]],
        breadth: int = 1,
        on_error: OnError = "stop",
        name: str = "",
    ) -> Continuation[B]:
        """The elements of the streams made of the elements, up to `breadth` streams at a time."""
        return self._becomes(FlatMapMerge(function=function, breadth=breadth, on_error=on_error), name)

    def flat_map_concat(
        self, function: Callable[[A], Source[B] | Publisher[B] | Iterable[B]], on_error: OnError = "stop", name: str = ""
    ) -> Continuation[B]:
        """The elements of the streams made of the elements, one stream after the other: `flat_map_merge` with a breadth of 1."""
        return self._becomes(FlatMapMerge(function=function, on_error=on_error), name or "flat_map_concat")

    def flatten_merge(self, breadth: int, on_error: OnError = "stop", name: str = "") -> Continuation[Any]:
        """The elements are streams; their elements, up to `breadth` streams at a time (`flat_map_merge`)."""
        return self._becomes(FlatMapMerge(function=_same, breadth=breadth, on_error=on_error), name or "flatten_merge")

    def concat_all(self, on_error: OnError = "stop", name: str = "") -> Continuation[Any]:
        """The elements are streams; their elements, one stream after the other (`flat_map_merge`)."""
        return self._becomes(FlatMapMerge(function=_same, on_error=on_error), name or "concat_all")

    @builds(SwitchMap)
    def switch_map(
        self, function: Callable[[A], Source[B] | Publisher[B] | Iterable[B]], on_error: OnError = "stop", name: str = ""
    ) -> Continuation[B]:
        """The elements of the stream made of the latest element."""
        return self._becomes(SwitchMap(function=function, on_error=on_error), name)

    @builds(GroupBy)
    def group_by(
        self,
        per: Per = "source",
        flow: Flow[A, B] | None = None,
        max_keys: int = MAX_KEYS,
        idle: Duration | float = 0.0,
        when_full: Literal["evict", "drop", "fail"] = "evict",
        size: int = CHUNK_ELEMENTS,
        overflow: Literal["backpressure", "drop_head", "drop_new", "fail"] = "backpressure",
        order: Literal["merge", "concat"] = "merge",
        on_error: OnError = "resume",
        name: str = "",
    ) -> Continuation[B]:
        """Each element through the flow of its key; what comes out of all flows, merged or one after the other."""
        stage = GroupBy(
            per=per,
            flow=flow,
            max_keys=max_keys,
            idle=idle,
            when_full=when_full,
            size=size,
            overflow=overflow,
            order=order,
            on_error=on_error,
        )
        return self._becomes(stage, name)

    @builds(SplitWhen)
    def split_when(
        self,
        where: str | Callable[[A], Any],
        flow: Flow[A, B] | None = None,
        after: bool = False,
        breadth: int = 1,
        on_error: OnError = "resume",
        name: str = "",
    ) -> Continuation[B]:
        """Parts that begin where a condition is true, each through a flow of its own."""
        stage = SplitWhen(where=where, flow=flow, after=after, breadth=breadth, on_error=on_error)
        return self._becomes(stage, name)

    def split_after(
        self,
        where: str | Callable[[A], Any],
        flow: Flow[A, B] | None = None,
        breadth: int = 1,
        on_error: OnError = "resume",
        name: str = "",
    ) -> Continuation[B]:
        """Parts that end where a condition is true, each through a flow of its own: `split_when` with `after`."""
        stage = SplitWhen(where=where, flow=flow, after=True, breadth=breadth, on_error=on_error)
        return self._becomes(stage, name or "split_after")

    @builds(FlatMapPrefix)
    def flat_map_prefix(self, count: int, function: Callable[[list[A]], Flow[A, B]], name: str = "") -> Continuation[B]:
        """A flow made of the first `count` elements, for the rest."""
        return self._becomes(FlatMapPrefix(count=count, function=function), name)

    @builds(PrefixAndTail)
    def prefix_and_tail(
        self, count: int, timeout: Duration | float = 5.0, name: str = ""
    ) -> Continuation[tuple[list[A], Source[A]]]:
        """One pair: a list of the first `count` elements, and a source of the rest."""
        return self._becomes(PrefixAndTail(count=count, timeout=timeout), name)

    @builds(LazyFlow)
    def lazy_flow(self, function: Callable[[], Flow[A, B]], name: str = "") -> Continuation[B]:
        """A flow that is made when the first element comes."""
        return self._becomes(LazyFlow(function=function), name)

    @builds(OrElse)
    def or_else(self, other: Source[A]) -> Self:
        """The elements of `other`, if this completes without any."""
        return self._join(OrElse(), (other,))


def _same(element: Any) -> Any:
    return element

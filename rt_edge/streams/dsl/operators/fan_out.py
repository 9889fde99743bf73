"""FanOut: operators that divide a stream."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from rt_edge.streams.dsl.operators.continuation import A, Continuation, builds
from rt_edge.streams.stages._common import OnError
from rt_edge.streams.stages.balance import Balance
from rt_edge.streams.stages.broadcast import Broadcast
from rt_edge.streams.stages.map import Map
from rt_edge.streams.stages.partition import Partition
from rt_edge.streams.stages.unzip import Unzip
from rt_edge.streams.stages.wire_tap import WireTap

if TYPE_CHECKING:
    from rt_edge.streams.dsl.linear import Sink


class FanOut(Continuation[A]):
    """Operators that divide a stream."""

    @builds(Broadcast)
    def broadcast(self, *sinks: Sink[A], eager_cancel: bool = False) -> Any:
        """Every element to every one of `sinks`: a `Graph` of a source, a `Sink` of a flow."""
        return self._divide(Broadcast(count=len(sinks), eager_cancel=eager_cancel), sinks)

    @builds(Balance)
    def balance(self, *sinks: Sink[A], wait_for_all: bool = False, eager_cancel: bool = False) -> Any:
        """Each element to one of `sinks` that asks: a `Graph` of a source, a `Sink` of a flow."""
        return self._divide(Balance(count=len(sinks), wait_for_all=wait_for_all, eager_cancel=eager_cancel), sinks)

    @builds(Partition)
    def partition(
        self, by: str | Callable[[A], int], *sinks: Sink[A], eager_cancel: bool = False, on_error: OnError = "resume"
    ) -> Any:
        """Each element to the one of `sinks` whose index `by` gives: a `Graph` of a source, a `Sink` of a flow."""
        return self._divide(Partition(by=by, count=len(sinks), eager_cancel=eager_cancel, on_error=on_error), sinks)

    @builds(Unzip)
    def unzip(self, *sinks: Sink[Any], eager_cancel: bool = False, on_error: OnError = "stop") -> Any:
        """The first part of each element to the first of `sinks`, and so on: a `Graph` of a source, a `Sink` of a flow."""
        return self._divide(Unzip(count=len(sinks), eager_cancel=eager_cancel, on_error=on_error), sinks)

    def unzip_with(
        self,
        function: Callable[[A], tuple[Any, ...]],
        *sinks: Sink[Any],
        eager_cancel: bool = False,
        on_error: OnError = "stop",
    ) -> Any:
        """The parts of a function of each element, one to each of `sinks`: `map` and `unzip`."""
        mapped: Any = self._becomes(Map(function=function, on_error=on_error))
        stage = Unzip(count=len(sinks), eager_cancel=eager_cancel, on_error=on_error)
        return mapped._divide(stage, sinks)  # noqa: SLF001 - of one family

    def also_to(self, sink: Sink[A], eager_cancel: bool = True) -> Self:
        """Every element goes to `sink` too; the slower of the two sets the pace: a `broadcast`. When one of the two cancels, or
        fails, so does all, unless `eager_cancel` is false: then the other goes on alone."""
        return self._branch(Broadcast(count=2, eager_cancel=eager_cancel), (sink,))

    def also_to_all(self, *sinks: Sink[A], eager_cancel: bool = True) -> Self:
        """Every element goes to every one of `sinks` too; the slowest sets the pace: a `broadcast`. When one cancels, or fails,
        so does all, unless `eager_cancel` is false: then the others go on."""
        return self._branch(Broadcast(count=1 + len(sinks), eager_cancel=eager_cancel), sinks)

    def divert_to(
        self, predicate: str | Callable[[A], Any], sink: Sink[A], eager_cancel: bool = True, on_error: OnError = "resume"
    ) -> Self:
        """The elements for which `predicate` is true go to `sink`, the others on: a `partition`. When one of the two cancels, or
        fails, so does all, unless `eager_cancel` is false: then what was for it is dropped, `branch_cancelled`."""
        by = predicate if isinstance(predicate, str) else partial(_truth, predicate)
        return self._branch(Partition(by=by, count=2, eager_cancel=eager_cancel, on_error=on_error), (sink,))

    @builds(WireTap)
    def wire_tap(self, *sinks: Sink[A]) -> Self:
        """Every element goes to every one of `sinks` too, as far as that asks for it: a slow one misses some."""
        return self._branch(WireTap(count=1 + len(sinks)), sinks)


def _truth(predicate: Callable[[Any], Any], element: Any) -> bool:
    return bool(predicate(element))

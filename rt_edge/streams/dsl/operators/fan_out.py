"""FanOut: operators that divide a stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rt_edge.streams.dsl.operators.continuation import A, Continuation, builds
from rt_edge.streams.stages._common import OnError
from rt_edge.streams.stages.balance import Balance
from rt_edge.streams.stages.broadcast import Broadcast
from rt_edge.streams.stages.partition import Partition

if TYPE_CHECKING:
    from rt_edge.streams.dsl.linear import Sink


class FanOut(Continuation[A]):
    """Operators that divide a stream."""

    @builds(Broadcast)
    def broadcast(self, *sinks: Sink[A], eager_cancel: bool = False) -> Any:
        """Every element to every one of `sinks`: a `Graph` of a source, a `Sink` of a flow."""
        return self._divide(Broadcast(count=len(sinks), eager_cancel=eager_cancel), sinks)

    @builds(Balance)
    def balance(self, *sinks: Sink[A], eager_cancel: bool = False) -> Any:
        """Each element to one of `sinks` that asks: a `Graph` of a source, a `Sink` of a flow."""
        return self._divide(Balance(count=len(sinks), eager_cancel=eager_cancel), sinks)

    @builds(Partition)
    def partition(
        self, by: str | Callable[[A], int], *sinks: Sink[A], eager_cancel: bool = False, on_error: OnError = "resume"
    ) -> Any:
        """Each element to the one of `sinks` whose index `by` gives: a `Graph` of a source, a `Sink` of a flow."""
        return self._divide(Partition(by=by, count=len(sinks), eager_cancel=eager_cancel, on_error=on_error), sinks)

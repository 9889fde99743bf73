"""Timers: operators that wait, and operators that watch how long something takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.data.units import Duration
from rt_edge.streams.dsl.operators.continuation import A, Continuation, builds
from rt_edge.streams.stages._common import OnError, Settle
from rt_edge.streams.stages._delaying import SIZE, DelayOverflow
from rt_edge.streams.stages.backpressure_timeout import BackpressureTimeout
from rt_edge.streams.stages.completion_timeout import CompletionTimeout
from rt_edge.streams.stages.delay import Delay
from rt_edge.streams.stages.delay_with import DelayWith
from rt_edge.streams.stages.drop_within import DropWithin
from rt_edge.streams.stages.grouped_weighted_within import GroupedWeightedWithin
from rt_edge.streams.stages.idle_timeout import IdleTimeout
from rt_edge.streams.stages.initial_delay import InitialDelay
from rt_edge.streams.stages.initial_timeout import InitialTimeout
from rt_edge.streams.stages.keep_alive import KeepAlive
from rt_edge.streams.stages.take_within import TakeWithin


class Timers(Continuation[A]):
    """Operators that wait, and operators that watch how long something takes."""

    @builds(Delay)
    def delay(self, by: Duration | float, size: int = SIZE, overflow: DelayOverflow = "backpressure", name: str = "") -> Self:
        """Each element `by` seconds after it arrived; up to `size` wait."""
        return self.via(Delay(by=by, size=size, overflow=overflow), name)

    @builds(DelayWith)
    def delay_with(
        self,
        function: str | Callable[[A], float],
        size: int = SIZE,
        overflow: DelayOverflow = "backpressure",
        on_error: OnError = "stop",
        name: str = "",
    ) -> Self:
        """Each element as many seconds after it arrived as a function or an expression says, in order."""
        return self.via(DelayWith(function=function, size=size, overflow=overflow, on_error=on_error), name)

    @builds(InitialDelay)
    def initial_delay(self, by: Duration | float, name: str = "") -> Self:
        """Nothing is asked for in the first `by` seconds."""
        return self.via(InitialDelay(by=by), name)

    @builds(TakeWithin)
    def take_within(self, within: Duration | float, name: str = "") -> Self:
        """What arrives in the first `within` seconds; then the end."""
        return self.via(TakeWithin(within=within), name)

    @builds(DropWithin)
    def drop_within(self, within: Duration | float, name: str = "") -> Self:
        """All but what arrives in the first `within` seconds."""
        return self.via(DropWithin(within=within), name)

    @builds(GroupedWeightedWithin)
    def grouped_weighted_within(
        self,
        weight: float,
        cost: str | Callable[[A], float],
        within: Duration | float,
        most: int = CHUNK_ELEMENTS,
        settle: Settle = "end",
        on_error: OnError = "resume",
        name: str = "",
    ) -> Continuation[list[A]]:
        """Lists of elements that weigh `weight` together at most, and wait `within` seconds at most."""
        stage = GroupedWeightedWithin(weight=weight, cost=cost, within=within, most=most, settle=settle, on_error=on_error)
        return self._becomes(stage, name)

    @builds(IdleTimeout)
    def idle_timeout(self, after: Duration | float, name: str = "") -> Self:
        """An error when no element comes for `after` seconds."""
        return self.via(IdleTimeout(after=after), name)

    @builds(InitialTimeout)
    def initial_timeout(self, after: Duration | float, name: str = "") -> Self:
        """An error when the first element has not come `after` seconds."""
        return self.via(InitialTimeout(after=after), name)

    @builds(CompletionTimeout)
    def completion_timeout(self, after: Duration | float, name: str = "") -> Self:
        """An error when the stream has not ended `after` seconds."""
        return self.via(CompletionTimeout(after=after), name)

    @builds(BackpressureTimeout)
    def backpressure_timeout(self, after: Duration | float, name: str = "") -> Self:
        """An error when downstream asks for nothing for `after` seconds."""
        return self.via(BackpressureTimeout(after=after), name)

    @builds(KeepAlive)
    def keep_alive(self, after: Duration | float, element: Any = None, name: str = "") -> Self:
        """`element`, or the last one again, whenever nothing has come for `after` seconds."""
        return self.via(KeepAlive(after=after, element=element), name)

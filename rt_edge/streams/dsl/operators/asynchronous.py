"""Asynchronous: operators that wait for coroutines and threads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Any

from rt_edge.data.units import Duration
from rt_edge.streams.breaker import Listener
from rt_edge.streams.dsl.operators.continuation import A, B, Continuation, builds
from rt_edge.streams.routing.asked import Asked
from rt_edge.streams.stages._common import OnError
from rt_edge.streams.stages.ask import Ask
from rt_edge.streams.stages.circuit_breaker import CircuitBreaker, Rejected
from rt_edge.streams.stages.map_async import MapAsync
from rt_edge.streams.stages.map_async_partitioned import MapAsyncPartitioned
from rt_edge.streams.stages.map_async_unordered import MapAsyncUnordered
from rt_edge.streams.stages.map_blocking import MapBlocking


class Asynchronous(Continuation[A]):
    """Operators that wait for coroutines and threads."""

    @builds(MapAsync)
    def map_async(
        self, function: Callable[[A], Awaitable[B]], parallelism: int = 4, on_error: OnError = "stop", name: str = ""
    ) -> Continuation[B]:
        """Each element replaced by what a coroutine function makes of it, in order."""
        return self._becomes(MapAsync(function=function, parallelism=parallelism, on_error=on_error), name)

    @builds(MapAsyncUnordered)
    def map_async_unordered(
        self, function: Callable[[A], Awaitable[B]], parallelism: int = 4, on_error: OnError = "stop", name: str = ""
    ) -> Continuation[B]:
        """Each element replaced by what a coroutine function makes of it, as soon as it has."""
        return self._becomes(MapAsyncUnordered(function=function, parallelism=parallelism, on_error=on_error), name)

    @builds(MapAsyncPartitioned)
    def map_async_partitioned(
        self,
        key: Callable[[A], Hashable],
        function: Callable[[A], Awaitable[B]],
        parallelism: int = 4,
        in_order: bool = True,
        on_error: OnError = "stop",
        name: str = "",
    ) -> Continuation[B]:
        """`map_async`, with one call at a time for the elements of one key."""
        stage = MapAsyncPartitioned(key=key, function=function, parallelism=parallelism, in_order=in_order, on_error=on_error)
        return self._becomes(stage, name)

    @builds(MapBlocking)
    def map_blocking(
        self, function: Callable[[A], B], parallelism: int = 4, on_error: OnError = "stop", name: str = ""
    ) -> Continuation[B]:
        """Each element replaced by a function of it that may block, called on threads of the stage's own, in order."""
        return self._becomes(MapBlocking(function=function, parallelism=parallelism, on_error=on_error), name)

    @builds(Ask)
    def ask(
        self,
        asked: Asked,
        within: Duration | float = 60.0,
        parallelism: int = 64,
        on_error: OnError = "resume",
        name: str = "",
    ) -> Continuation[Any]:
        """Each element replaced by the answer of a router or an actor, in order; as many as there is room for."""
        return self._becomes(Ask(asked=asked, within=within, parallelism=parallelism, on_error=on_error), name)

    @builds(CircuitBreaker)
    def circuit_breaker(
        self,
        function: Callable[[A], Awaitable[B]],
        rejected: Rejected = "hold",
        failures: int = 5,
        call_timeout: Duration | float = 10.0,
        reset_min: Duration | float = 1.0,
        reset_max: Duration | float = 60.0,
        growth: float = 2.0,
        jitter: float = 0.25,
        parallelism: int = 1,
        seed: int | None = None,
        listener: Listener | None = None,
        on_error: OnError = "resume",
        name: str = "",
    ) -> Continuation[B]:
        """Each element replaced by what a coroutine function makes of it; one that keeps failing is left alone for a while."""
        stage = CircuitBreaker(
            function=function,
            rejected=rejected,
            failures=failures,
            call_timeout=call_timeout,
            reset_min=reset_min,
            reset_max=reset_max,
            growth=growth,
            jitter=jitter,
            parallelism=parallelism,
            seed=seed,
            listener=listener,
            on_error=on_error,
        )
        return self._becomes(stage, name)

"""Routing: operators that give each element to one of several by a strategy, weigh several streams, or ask several functions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal, Self

from rt_edge.data.units import Duration
from rt_edge.streams.dsl.operators.continuation import A, B, Continuation, builds
from rt_edge.streams.routing.hashing import VIRTUAL_NODES
from rt_edge.streams.routing.rated import HALF_LIFE_S
from rt_edge.streams.routing.weights import Priorities
from rt_edge.streams.stages._common import OnError
from rt_edge.streams.stages.merge_prioritized import MergePrioritized
from rt_edge.streams.stages.merge_rated import MergeRated
from rt_edge.streams.stages.route_by_key import RouteByKey
from rt_edge.streams.stages.route_most_demand import RouteMostDemand
from rt_edge.streams.stages.route_prioritized import RoutePrioritized
from rt_edge.streams.stages.route_random import RouteRandom
from rt_edge.streams.stages.route_rated import RouteRated
from rt_edge.streams.stages.route_round_robin import RouteRoundRobin
from rt_edge.streams.stages.route_where import RouteWhere
from rt_edge.streams.stages.scatter_gather import ScatterGather
from rt_edge.streams.stages.tail_chop import TailChop

if TYPE_CHECKING:
    from rt_edge.streams.dsl.linear import Sink, Source


class Routing(Continuation[A]):
    """Operators that route. What divides a stream makes a `Graph` of a source, a `Sink` of a flow."""

    @builds(RouteRoundRobin)
    def route_round_robin(self, *sinks: Sink[A], eager_cancel: bool = False) -> Any:
        """Each element to the one of `sinks` whose turn it is, busy or not."""
        return self._divide(RouteRoundRobin(count=len(sinks), eager_cancel=eager_cancel), sinks)

    @builds(RouteRandom)
    def route_random(self, *sinks: Sink[A], seed: int = 0, eager_cancel: bool = False) -> Any:
        """Each element to any of `sinks` that asks."""
        return self._divide(RouteRandom(count=len(sinks), seed=seed, eager_cancel=eager_cancel), sinks)

    @builds(RouteMostDemand)
    def route_most_demand(self, *sinks: Sink[A], eager_cancel: bool = False) -> Any:
        """Each element to the one of `sinks` that asks for the most."""
        return self._divide(RouteMostDemand(count=len(sinks), eager_cancel=eager_cancel), sinks)

    @builds(RouteRated)
    def route_rated(self, *sinks: Sink[A], half_life: Duration | float = HALF_LIFE_S, eager_cancel: bool = False) -> Any:
        """Elements to those of `sinks` that ask, in proportion to how fast each was lately."""
        return self._divide(RouteRated(count=len(sinks), half_life=half_life, eager_cancel=eager_cancel), sinks)

    @builds(RoutePrioritized)
    def route_prioritized(
        self, *sinks: Sink[A], priorities: tuple[int, ...] = (), control: Priorities | None = None, eager_cancel: bool = False
    ) -> Any:
        """Each element to the most important of `sinks` that asks."""
        stage = RoutePrioritized(count=len(sinks), priorities=priorities, control=control, eager_cancel=eager_cancel)
        return self._divide(stage, sinks)

    @builds(RouteByKey)
    def route_by_key(
        self,
        *sinks: Sink[A],
        key: str | Callable[[A], Any] = "source",
        virtual_nodes: int = VIRTUAL_NODES,
        eager_cancel: bool = False,
        on_error: OnError = "resume",
    ) -> Any:
        """All elements of a key to the same one of `sinks`, by consistent hashing."""
        stage = RouteByKey(count=len(sinks), key=key, virtual_nodes=virtual_nodes, eager_cancel=eager_cancel, on_error=on_error)
        return self._divide(stage, sinks)

    @builds(RouteWhere)
    def route_where(
        self,
        conditions: list[str | Callable[[A], Any]],
        *sinks: Sink[A],
        matching: Literal["first", "all"] = "all",
        otherwise: bool = False,
        eager_cancel: bool = False,
        on_error: OnError = "resume",
    ) -> Any:
        """Each element to all of `sinks` whose condition it meets, or to the first; with `otherwise` the last is for the rest."""
        stage = RouteWhere(
            conditions=conditions, matching=matching, otherwise=otherwise, eager_cancel=eager_cancel, on_error=on_error
        )
        return self._divide(stage, sinks)

    @builds(MergePrioritized)
    def merge_prioritized(
        self,
        *others: Source[A],
        priorities: tuple[int, ...] = (),
        strict: bool = False,
        control: Priorities | None = None,
        eager_complete: bool = False,
    ) -> Self:
        """The elements of this and of `others`, in proportion to priorities while several have some."""
        stage = MergePrioritized(
            count=1 + len(others), priorities=priorities, strict=strict, control=control, eager_complete=eager_complete
        )
        return self._join(stage, others)

    @builds(MergeRated)
    def merge_rated(self, *others: Source[A], half_life: Duration | float = HALF_LIFE_S, eager_complete: bool = False) -> Self:
        """The elements of this and of `others`; each is asked for as much as it is good for."""
        return self._join(MergeRated(count=1 + len(others), half_life=half_life, eager_complete=eager_complete), others)

    @builds(ScatterGather)
    def scatter_gather(
        self,
        functions: list[Callable[[A], Awaitable[B]]],
        within: Duration | float = 5.0,
        parallelism: int = 1,
        on_error: OnError = "stop",
        name: str = "",
    ) -> Continuation[B]:
        """Each element replaced by the first answer of several coroutine functions, all called at once."""
        stage = ScatterGather(functions=functions, within=within, parallelism=parallelism, on_error=on_error)
        return self._becomes(stage, name)

    @builds(TailChop)
    def tail_chop(
        self,
        functions: list[Callable[[A], Awaitable[B]]],
        interval: Duration | float = 0.5,
        within: Duration | float = 5.0,
        parallelism: int = 1,
        seed: int | None = None,
        on_error: OnError = "stop",
        name: str = "",
    ) -> Continuation[B]:
        """Each element replaced by the first answer of several coroutine functions, one more called after each interval."""
        stage = TailChop(
            functions=functions, interval=interval, within=within, parallelism=parallelism, seed=seed, on_error=on_error
        )
        return self._becomes(stage, name)

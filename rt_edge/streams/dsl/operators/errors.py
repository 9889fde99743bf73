"""Errors: operators for what to do when something fails."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, Self

import msgspec

from rt_edge.data.chunk import CHUNK_ELEMENTS
from rt_edge.data.units import Duration
from rt_edge.protocol.roles import Publisher
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.dsl.operators.continuation import A, B, Continuation, builds
from rt_edge.streams.stages.dead_letters import DeadLetters
from rt_edge.streams.stages.map_error import MapError
from rt_edge.streams.stages.on_error_complete import OnErrorComplete
from rt_edge.streams.stages.recover import Recover
from rt_edge.streams.stages.recover_with import RecoverWith
from rt_edge.streams.stages.restart_flow import RestartFlow
from rt_edge.streams.stages.retry_flow import RetryFlow

if TYPE_CHECKING:
    from rt_edge.streams.dsl.linear import Flow, Sink, Source


class Errors(Continuation[A]):
    """Operators for what to do when something fails."""

    @builds(Recover)
    def recover(self, function: Callable[[BaseException], A | None], name: str = "") -> Self:
        """One last element made of the error, and the end, instead of the error."""
        return self.via(Recover(function=function), name)

    @builds(RecoverWith)
    def recover_with(
        self,
        function: Callable[[BaseException], Source[A] | Publisher[A] | Iterable[A] | None],
        attempts: int = -1,
        name: str = "",
    ) -> Self:
        """Another stream instead of an error, up to `attempts` times."""
        return self.via(RecoverWith(function=function, attempts=attempts), name)

    def on_error_resume(self, source: Source[A] | Publisher[A] | Iterable[A], name: str = "") -> Self:
        """`source` instead of an error, once: `recover_with` of one attempt."""
        return self.via(RecoverWith(function=lambda _: source, attempts=1), name or "on_error_resume")

    @builds(MapError)
    def map_error(self, function: Callable[[BaseException], BaseException], name: str = "") -> Self:
        """Another error instead of an error."""
        return self.via(MapError(function=function), name)

    @builds(OnErrorComplete)
    def on_error_complete(self, predicate: Callable[[BaseException], Any] | None = None, name: str = "") -> Self:
        """The end instead of an error."""
        return self.via(OnErrorComplete(predicate=predicate), name)

    def on_error_continue(self) -> Self:
        """All stages so far that would stop when user code raises go on without the element (`on_error: resume`), which fails."""
        changed = copy.copy(self)
        before: Blueprint = changed.blueprint  # type: ignore[attr-defined]  # every Source and Flow has one
        after = Blueprint()
        after.edges = list(before.edges)
        for node, stage in before.nodes.items():
            stops = getattr(stage, "on_error", "") == "stop"
            after.nodes[node] = msgspec.structs.replace(stage, on_error="resume") if stops else stage
        changed.blueprint = after  # type: ignore[attr-defined]  # as above
        return changed

    @builds(RestartFlow)
    def restart_flow(
        self,
        flow: Flow[A, B] | Callable[[], Flow[A, B]] | None = None,
        min_backoff: Duration | float = 1.0,
        max_backoff: Duration | float = 60.0,
        jitter: float = 1.0,
        seed: int | None = None,
        max_restarts: int = -1,
        within: Duration | float = 0.0,
        only_failures: bool = False,
        restart_on: Callable[[BaseException], Any] | None = None,
        name: str = "",
    ) -> Continuation[B]:
        """A flow that is run again, after a wait, when it has ended."""
        stage = RestartFlow(
            flow=flow,
            min_backoff=min_backoff,
            max_backoff=max_backoff,
            jitter=jitter,
            seed=seed,
            max_restarts=max_restarts,
            within=within,
            only_failures=only_failures,
            restart_on=restart_on,
        )
        return self._becomes(stage, name)

    @builds(RetryFlow)
    def retry_flow(
        self,
        flow: Flow[A, B] | None = None,
        attempts: int = 3,
        again: Callable[[A, B], A | None] | None = None,
        min_backoff: Duration | float = 1.0,
        max_backoff: Duration | float = 60.0,
        jitter: float = 1.0,
        seed: int | None = None,
        on_error: Literal["stop", "resume"] = "resume",
        name: str = "",
    ) -> Continuation[B]:
        """Each element through a flow, again after a wait when that fails."""
        stage = RetryFlow(
            flow=flow,
            attempts=attempts,
            again=again,
            min_backoff=min_backoff,
            max_backoff=max_backoff,
            jitter=jitter,
            seed=seed,
            on_error=on_error,
        )
        return self._becomes(stage, name)

    @builds(DeadLetters)
    def dead_letters(self, sink: Sink[Any], size: int = CHUNK_ELEMENTS, name: str = "") -> Self:
        """What fails behind this goes to `sink` as a dead letter, instead of failing towards its origin."""
        from rt_edge.streams.dsl.graph import Graph  # made of this

        graph = Graph()
        letters = graph.add(DeadLetters(size=size), name)
        graph.connect(letters, graph.add(sink), outlet=1)
        return self.via(graph.as_flow())

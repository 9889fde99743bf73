"""Adapting: what only flows have: another function in front, and flows made of a sink and a source."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.dsl.operators.continuation import A, B
from rt_edge.streams.stages._common import OnError
from rt_edge.streams.stages.coupled import Coupled
from rt_edge.streams.stages.map import Map

if TYPE_CHECKING:
    from rt_edge.streams.dsl.linear import Flow, Sink, Source

Taken = TypeVar("Taken")
"""What a flow takes."""
C = TypeVar("C")
"""What comes out of another end."""


class Adapting(Generic[Taken, A]):
    """Methods of `Flow` alone."""

    def contramap(self, function: Callable[[B], Taken], on_error: OnError = "stop") -> Flow[B, A]:
        """This flow behind a function of each element: a `map` in front."""
        made: Flow[B, A] = _flow(Map(function=function, on_error=on_error)).via(self)
        return made

    def dimap(self, function: Callable[[B], Taken], then: Callable[[A], C], on_error: OnError = "stop") -> Flow[B, C]:
        """This flow between two functions of each element: a `map` in front and one behind."""
        made: Flow[B, C] = self.contramap(function, on_error).via(Map(function=then, on_error=on_error))
        return made

    @classmethod
    def from_sink_and_source(cls, sink: Sink[B], source: Source[C]) -> Flow[B, C]:
        """What comes in goes to `sink`, what goes out comes from `source`; each ends for itself."""
        blueprint = Blueprint()
        into, out_of = blueprint.absorb(sink.blueprint), blueprint.absorb(source.blueprint)
        made: Flow[B, C] = _of(blueprint, (into[sink.inlet[0]], sink.inlet[1]), (out_of[source.outlet[0]], source.outlet[1]))
        return made

    @classmethod
    def from_sink_and_source_coupled(cls, sink: Sink[B], source: Source[C]) -> Flow[B, C]:
        """What comes in goes to `sink`, what goes out comes from `source`; each ends when the other does."""
        blueprint = Blueprint()
        coupled = blueprint.add(Coupled())
        into, out_of = blueprint.absorb(sink.blueprint), blueprint.absorb(source.blueprint)
        blueprint.connect(coupled, into[sink.inlet[0]], 0, sink.inlet[1])
        blueprint.connect(out_of[source.outlet[0]], coupled, source.outlet[1], 1)
        made: Flow[B, C] = _of(blueprint, (coupled, 0), (coupled, 1))
        return made


def _flow(stage: Map) -> Any:
    from rt_edge.streams.dsl.linear import Flow

    return Flow(stage)


def _of(blueprint: Blueprint, inlet: tuple[str, int], outlet: tuple[str, int]) -> Any:
    from rt_edge.streams.dsl.linear import Flow

    return Flow.of(blueprint, inlet, outlet)

"""Source, Flow, Sink: linear parts of a stream.

For the rest of the code they are the classes of `linear`, whose stub knows more of types than can be written down here: hence
`Any` where a method takes another part.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Self, TypeVar

from rt_edge.data.errors import ConfigError
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.dsl.adapting import Adapting
from rt_edge.streams.dsl.async_iteration import WINDOW as AHEAD
from rt_edge.streams.dsl.async_iteration import Elements
from rt_edge.streams.dsl.beginnings import Beginnings
from rt_edge.streams.dsl.combinations import Combinations
from rt_edge.streams.dsl.endings import Endings
from rt_edge.streams.dsl.graph import Graph
from rt_edge.streams.dsl.openings import Openings
from rt_edge.streams.dsl.operators import Operators
from rt_edge.streams.dsl.operators.continuation import A
from rt_edge.streams.dsl.results import Results
from rt_edge.streams.dsl.running import SinkSubscriber
from rt_edge.streams.elementwise.inward import WINDOW
from rt_edge.streams.elementwise.processor import IslandProcessor
from rt_edge.streams.elementwise.publisher import IslandPublisher
from rt_edge.streams.elementwise.running import HostFactory, RunnableHost
from rt_edge.streams.host import AsyncioHost
from rt_edge.streams.stage import Stage

Taken = TypeVar("Taken")
"""What a flow takes."""
Place = tuple[str, int]
"""(graph node, index of its port)."""


class Source(Operators[A], Beginnings[A], Openings[A], Combinations[A]):
    """Something with one open outlet.

    Args:
        stage: a stage without inlets and with one outlet.
        name: of its graph node.

    Raises:
        ConfigError: the stage has other ports.
    """

    def __init__(self, stage: Stage, name: str = "") -> None:
        expect_ports(stage, 0, 1, "a source")
        self.blueprint = Blueprint()
        self.outlet: Place = (self.blueprint.add(stage, name), 0)

    @classmethod
    def of(cls, blueprint: Blueprint, outlet: Place) -> Self:
        """The source that `blueprint` is; all its other ports are wired."""
        source = cls.__new__(cls)
        source.blueprint, source.outlet = blueprint, outlet
        return source

    # -- continuations ----------------------------------------------------------------------------------------------------

    def via(self, step: Any, name: str = "") -> Self:
        """This, followed by a stage of one inlet and one outlet, or by a flow."""
        blueprint = copied(self.blueprint)
        outlet = append(blueprint, self.outlet, step, name)
        return self.of(blueprint, outlet)

    def to(self, sink: Sink[Any]) -> Graph:
        """This, ended by `sink`: a graph that can be run."""
        blueprint = copied(self.blueprint)
        attach_sink(blueprint, self.outlet, sink)
        return Graph(blueprint)

    def as_publisher(self, hosts: HostFactory = AsyncioHost) -> IslandPublisher:
        """This as a `Publisher`; each subscribe is a run on a host made by `hosts`."""
        return IslandPublisher(self.blueprint, hosts)

    def elements(self, window: int = AHEAD) -> Elements[A]:
        """One run of this, on the running asyncio loop, to iterate over: `async with source.elements() as elements`."""
        return Elements(self.blueprint, self.outlet, window)

    async def __aiter__(self) -> AsyncIterator[A]:
        """`async for element in source`: a run of its own each time, cancelled when the iteration ends early."""
        async with self.elements() as elements:
            async for element in elements:
                yield element

    def _join(self, stage: Stage, others: tuple[Any, ...]) -> Self:
        blueprint = copied(self.blueprint)
        return self.of(blueprint, fan_in(blueprint, self.outlet, stage, others))

    def _branch(self, stage: Stage, sinks: tuple[Any, ...]) -> Self:
        blueprint = copied(self.blueprint)
        return self.of(blueprint, (fan_out(blueprint, self.outlet, stage, sinks, 1), 0))

    def _divide(self, stage: Stage, sinks: tuple[Any, ...]) -> Graph:
        blueprint = copied(self.blueprint)
        fan_out(blueprint, self.outlet, stage, sinks)
        return Graph(blueprint)


class Flow(Operators[A], Adapting[Taken, A]):
    """Something with one open inlet and one open outlet. `Flow()` is the empty one.

    Args:
        stage: a stage with one inlet and one outlet.
        name: of its graph node.

    Raises:
        ConfigError: the stage has other ports.
    """

    def __init__(self, stage: Stage | None = None, name: str = "") -> None:
        self.blueprint = Blueprint()
        self.inlet: Place | None = None
        self.outlet: Place | None = None
        if stage is not None:
            expect_ports(stage, 1, 1, "a flow")
            self.inlet = self.outlet = (self.blueprint.add(stage, name), 0)

    @classmethod
    def of(cls, blueprint: Blueprint, inlet: Place, outlet: Place) -> Self:
        """The flow that `blueprint` is; all its other ports are wired."""
        flow = cls()
        flow.blueprint, flow.inlet, flow.outlet = blueprint, inlet, outlet
        return flow

    def via(self, step: Any, name: str = "") -> Self:
        """This, followed by a stage of one inlet and one outlet, or by a flow."""
        blueprint = copied(self.blueprint)
        if self.inlet is None or self.outlet is None:
            if isinstance(step, Stage):
                return type(self)(step, name)
            return self if step.inlet is None or step.outlet is None else self.of(step.blueprint, step.inlet, step.outlet)
        return self.of(blueprint, self.inlet, append(blueprint, self.outlet, step, name))

    def to(self, sink: Sink[Any]) -> Sink[Any]:
        """This in front of `sink`: another sink."""
        if self.inlet is None or self.outlet is None:
            return sink
        blueprint = copied(self.blueprint)
        attach_sink(blueprint, self.outlet, sink)
        return Sink.of(blueprint, self.inlet)

    def as_processor(self, host: RunnableHost | None = None, window: int = WINDOW) -> IslandProcessor:
        """This as a `Processor` that runs from now on (default: on the running asyncio loop)."""
        if self.inlet is None:
            raise ConfigError("an empty flow is no processor", "give it a stage: Flow().map(...)")
        return IslandProcessor(self.blueprint, host or AsyncioHost(), window)

    def _join(self, stage: Stage, others: tuple[Any, ...]) -> Self:
        blueprint, outlet = copied(self.blueprint), self.outlet
        if outlet is None:
            blueprint = Blueprint()
            first = fan_in(blueprint, None, stage, others)
            return self.of(blueprint, (first[0], 0), first)
        return self._with(blueprint, fan_in(blueprint, outlet, stage, others))

    def _branch(self, stage: Stage, sinks: tuple[Any, ...]) -> Self:
        blueprint, outlet = copied(self.blueprint), self.outlet
        node = fan_out(blueprint, outlet, stage, sinks, 1)
        return self.of(blueprint, self.inlet or (node, 0), (node, 0))

    def _divide(self, stage: Stage, sinks: tuple[Any, ...]) -> Sink[Any]:
        blueprint, outlet = copied(self.blueprint), self.outlet
        node = fan_out(blueprint, outlet, stage, sinks)
        return Sink.of(blueprint, self.inlet or (node, 0))

    def _with(self, blueprint: Blueprint, outlet: Place) -> Self:
        if self.inlet is None:
            raise ConfigError("an empty flow has no inlet")
        return self.of(blueprint, self.inlet, outlet)


class Sink(Endings[A], Results[A]):
    """Something with one open inlet.

    Args:
        stage: a stage with one inlet and without outlets.
        name: of its graph node, under which its result is found.

    Raises:
        ConfigError: the stage has other ports.
    """

    def __init__(self, stage: Stage, name: str = "") -> None:
        expect_ports(stage, 1, 0, "a sink")
        self.blueprint = Blueprint()
        self.inlet: Place = (self.blueprint.add(stage, name), 0)

    @classmethod
    def of(cls, blueprint: Blueprint, inlet: Place) -> Self:
        """The sink that `blueprint` is; all its other ports are wired."""
        sink = cls.__new__(cls)
        sink.blueprint, sink.inlet = blueprint, inlet
        return sink

    def as_subscriber(self, host: RunnableHost | None = None, window: int = WINDOW) -> SinkSubscriber:
        """This as a `Subscriber` that runs from now on (default: on the running asyncio loop)."""
        return SinkSubscriber(self.blueprint, host or AsyncioHost(), window)


def expect_ports(stage: Stage, inlets: int, outlets: int, what: str) -> None:
    """Refuse a stage with other ports.

    Raises:
        ConfigError: it has.
    """
    if (len(stage.inlets), len(stage.outlets)) != (inlets, outlets):
        has = f"{len(stage.inlets)} inlets and {len(stage.outlets)} outlets"
        raise ConfigError(f"{stage.label} has {has}, {what} has {inlets} and {outlets}", "use Graph for other shapes")


def copied(blueprint: Blueprint) -> Blueprint:
    """A copy that may be added to; names stay."""
    copy = Blueprint()
    copy.absorb(blueprint)
    return copy


def append(blueprint: Blueprint, outlet: Place, step: Stage | Flow[Any, Any], name: str) -> Place:
    """Wire a stage or a flow behind `outlet`; returns the open outlet."""
    if isinstance(step, Stage):
        expect_ports(step, 1, 1, "a step of a stream")
        node = blueprint.add(step, name)
        blueprint.connect(outlet[0], node, outlet[1], 0)
        return node, 0
    if step.inlet is None or step.outlet is None:
        return outlet
    names = blueprint.absorb(step.blueprint)
    blueprint.connect(outlet[0], names[step.inlet[0]], outlet[1], step.inlet[1])
    return names[step.outlet[0]], step.outlet[1]


def attach_sink(blueprint: Blueprint, outlet: Place, sink: Sink[Any]) -> None:
    """Wire `sink` behind `outlet`."""
    names = blueprint.absorb(sink.blueprint)
    blueprint.connect(outlet[0], names[sink.inlet[0]], outlet[1], sink.inlet[1])


def fan_in(blueprint: Blueprint, outlet: Place | None, stage: Stage, others: tuple[Source[Any], ...]) -> Place:
    """Wire a fan-in behind `outlet` (None: its first inlet stays open) and `others`; returns its outlet."""
    node = blueprint.add(stage)
    if outlet is not None:
        blueprint.connect(outlet[0], node, outlet[1], 0)
    for index, other in enumerate(others, 1):
        names = blueprint.absorb(other.blueprint)
        blueprint.connect(names[other.outlet[0]], node, other.outlet[1], index)
    return node, 0


def fan_out(blueprint: Blueprint, outlet: Place | None, stage: Stage, sinks: tuple[Sink[Any], ...], first: int = 0) -> str:
    """Wire a fan-out behind `outlet` (None: its inlet stays open), `sinks` to its outlets from `first` on; returns its name."""
    node = blueprint.add(stage)
    if outlet is not None:
        blueprint.connect(outlet[0], node, outlet[1], 0)
    for index, sink in enumerate(sinks, first):
        attach_sink(blueprint, (node, index), sink)
    return node

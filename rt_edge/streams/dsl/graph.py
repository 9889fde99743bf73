"""Graph: streams of any shape, with fan-in and fan-out, on a blueprint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rt_edge.data.errors import ConfigError
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.dsl.running import Running
from rt_edge.streams.elementwise.running import RunnableHost, expect_open, open_ports
from rt_edge.streams.host import AsyncioHost
from rt_edge.streams.stage import Stage

if TYPE_CHECKING:
    from rt_edge.streams.dsl.linear import Flow, Sink, Source


class Node(NamedTuple):
    """Something in a graph: its ports that were open when it was added, as (graph node, index), in order."""

    name: str
    inlets: tuple[tuple[str, int], ...]
    outlets: tuple[tuple[str, int], ...]


class Graph:
    """A graph that is being built; it can be run when every port is wired exactly once.

    Args:
        blueprint: what there is so far; it becomes this graph's own.

    Attributes:
        blueprint: the stages and their wires.
        nodes: what was added, by name.
    """

    def __init__(self, blueprint: Blueprint | None = None) -> None:
        self.blueprint = blueprint or Blueprint()
        self.nodes: dict[str, Node] = {}

    def add(self, part: Stage | Source[Any] | Flow[Any, Any] | Sink[Any], name: str = "") -> Node:
        """Add a stage (as graph node `name`), or a part with all its stages, which keep their names where these are free."""
        from rt_edge.streams.dsl.linear import Flow, Sink

        if isinstance(part, Stage):
            unique = self.blueprint.add(part, name)
            node = Node(unique, tuple((unique, p.index) for p in part.inlets), tuple((unique, p.index) for p in part.outlets))
        else:
            if isinstance(part, Flow) and part.inlet is None:
                raise ConfigError("an empty flow cannot be added to a graph", "give it a stage: Flow().map(...)")
            names = self.blueprint.absorb(part.blueprint)
            ports = open_ports(part.blueprint)
            inlets = tuple((names[n], i) for n, i in ports.inlets)
            outlets = tuple((names[n], i) for n, i in ports.outlets)
            node = Node(inlets[0][0] if isinstance(part, Sink) else outlets[0][0], inlets, outlets)
        self.nodes[node.name] = node
        return node

    def connect(self, source: Node, target: Node, outlet: int | None = None, inlet: int | None = None) -> None:
        """Wire an outlet of `source` to an inlet of `target`, both counted from 0; default: the first that is not wired.

        Raises:
            ConfigError: there is none.
        """
        free = open_ports(self.blueprint)
        leaves = _pick(source.outlets, free.outlets, outlet, f"outlet of {source.name}")
        enters = _pick(target.inlets, free.inlets, inlet, f"inlet of {target.name}")
        self.blueprint.connect(leaves[0], enters[0], leaves[1], enters[1])

    def as_source(self) -> Source[Any]:
        """The source that this is, with one outlet open.

        Raises:
            ConfigError: other ports are open.
        """
        from rt_edge.streams.dsl.linear import Source

        ports = expect_open(self.blueprint, 0, 1, "a source")
        return Source.of(self.blueprint, ports.outlets[0])

    def as_flow(self) -> Flow[Any, Any]:
        """The flow that this is, with one inlet and one outlet open.

        Raises:
            ConfigError: other ports are open.
        """
        from rt_edge.streams.dsl.linear import Flow

        ports = expect_open(self.blueprint, 1, 1, "a flow")
        return Flow.of(self.blueprint, ports.inlets[0], ports.outlets[0])

    def as_sink(self) -> Sink[Any]:
        """The sink that this is, with one inlet open.

        Raises:
            ConfigError: other ports are open.
        """
        from rt_edge.streams.dsl.linear import Sink

        ports = expect_open(self.blueprint, 1, 0, "a sink")
        return Sink.of(self.blueprint, ports.inlets[0])

    def run(self, host: RunnableHost) -> Running:
        """Start a run on a host made for it; in the host's thread.

        Raises:
            ConfigError: a port is not wired.
        """
        return Running(self.blueprint, host)

    async def run_async(self) -> Any:
        """Run on the running asyncio loop until the end; a cancelled await stops the run.

        Returns:
            What the sink comes to; with several sinks, a dict by their names; None without one.

        Raises:
            ConfigError: a port is not wired.
            BaseException: what a sink failed with; without a sink that comes to something, what any stage failed with. An error
                that a stage behind it has recovered from is none.
        """
        running = self.run(AsyncioHost())
        try:
            try:
                await running.ended
            except Exception:
                if not running.results:
                    raise
            values = {name: await result for name, result in running.results.items()}
        finally:
            if not running.ended.done():
                running.stop()
        return values if len(values) > 1 else next(iter(values.values()), None)


def _pick(ports: tuple[tuple[str, int], ...], free: list[tuple[str, int]], index: int | None, what: str) -> tuple[str, int]:
    if index is not None:
        if not 0 <= index < len(ports):
            raise ConfigError(f"there is no {what} {index}", f"it has {len(ports)}")
        return ports[index]
    for port in ports:
        if port in free:
            return port
    raise ConfigError(f"every {what} is wired")

"""Starting an engine on a host, and the open ports of a blueprint."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from rt_edge.data.errors import ConfigError
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.engine import Engine
from rt_edge.streams.host import Host


class RunnableHost(Host, Protocol):
    """A host that can be given its engine; `AsyncioHost` is one. One engine each."""

    def attach(self, engine: Engine) -> None:
        """Drive `engine` from now on."""
        ...


HostFactory = Callable[[], RunnableHost]
"""Makes the host of one run."""


def start(blueprint: Blueprint, host: RunnableHost, on_done: Callable[[BaseException | None], None] | None = None) -> Engine:
    """Run `blueprint` on `host`; to be called in the host's thread, outside a turn.

    Raises:
        ConfigError: a port is not wired.
    """
    engine = Engine(blueprint, host, on_done)
    host.attach(engine)
    engine.start()
    return engine


class OpenPorts(NamedTuple):
    """Ports of a blueprint that are not wired, as (graph node, index of the port), in the order of the nodes."""

    inlets: list[tuple[str, int]]
    outlets: list[tuple[str, int]]


def open_ports(blueprint: Blueprint) -> OpenPorts:
    """What is not wired."""
    wired_in = {(edge.target, edge.inlet.index) for edge in blueprint.edges}
    wired_out = {(edge.source, edge.outlet.index) for edge in blueprint.edges}
    inlets = [(name, port.index) for name, stage in blueprint.nodes.items() for port in stage.inlets]
    outlets = [(name, port.index) for name, stage in blueprint.nodes.items() for port in stage.outlets]
    return OpenPorts([p for p in inlets if p not in wired_in], [p for p in outlets if p not in wired_out])


def expect_open(blueprint: Blueprint, inlets: int, outlets: int, what: str) -> OpenPorts:
    """The open ports, if there are as many as it takes to be `what`.

    Raises:
        ConfigError: there are more or fewer.
    """
    found = open_ports(blueprint)
    if (len(found.inlets), len(found.outlets)) != (inlets, outlets):
        raise ConfigError(
            f"{what} has {inlets} open inlets and {outlets} open outlets, this graph {len(found.inlets)} and {len(found.outlets)}"
        )
    return found

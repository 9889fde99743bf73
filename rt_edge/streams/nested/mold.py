"""Mold: a part of a stream (source, flow or sink) made ready to be run inside a stage, any number of times."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rt_edge.data.errors import ConfigError
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.elementwise.inward import FromPublisher
from rt_edge.streams.elementwise.running import expect_open
from rt_edge.streams.nested.boundary import Entry, Exit
from rt_edge.streams.stage import Stage
from rt_edge.streams.stages.iterate import Iterate

ENTRY = "(in)"
EXIT = "(out)"


class Mold:
    """A blueprint whose open ports are wired to the ends by which its parent feeds it and hears of it.

    Args:
        blueprint: at most one inlet and one outlet are open.
        parent: name of the graph node that runs it; its stages are called `parent/node`.

    Attributes:
        blueprint: ready to run.
        entry: name of the end at the inlet; "" for a source.
        exit: name of the end at the outlet; "" for a sink.
    """

    __slots__ = ("blueprint", "entry", "exit", "part")

    def __init__(self, part: Blueprint, inlets: int, outlets: int, parent: str) -> None:
        """Raises ConfigError if other ports are open, or one is wired twice."""
        self.part = part
        opened = expect_open(part, inlets, outlets, "what runs here")
        self.blueprint = Blueprint()
        names = {name: self.blueprint.add(stage, f"{parent}/{name}") for name, stage in part.nodes.items()}
        self.blueprint.edges += [e._replace(source=names[e.source], target=names[e.target]) for e in part.edges]
        self.entry = self.exit = ""
        for node, index in opened.inlets:
            self.entry = self.blueprint.add(Entry(), f"{parent}/{ENTRY}")
            self.blueprint.connect(self.entry, names[node], 0, index)
        for node, index in opened.outlets:
            self.exit = self.blueprint.add(Exit(), f"{parent}/{EXIT}")
            self.blueprint.connect(names[node], self.exit, index, 0)
        problems = self.blueprint.problems()
        if problems:
            raise ConfigError("; ".join(problems))

    def fits(self, part: Blueprint) -> bool:
        """Whether it runs `part` from now on: the same part, or another source of one stage under the same name, as functions of
        elements give one after the other; to look at its ports and wires once is enough."""
        if part is self.part:
            return True
        mine, nodes = self.part, part.nodes
        if part.edges or mine.edges or self.entry or not self.exit or len(nodes) != 1 or nodes.keys() != mine.nodes.keys():
            return False
        (stage,), (known,) = nodes.values(), mine.nodes.values()
        if type(stage) is not type(known) or stage.inlets or stage.outlets != known.outlets:
            return False
        blueprint = Blueprint()
        (name, _), (exit_, end) = self.blueprint.nodes.items()
        blueprint.nodes = {name: stage, exit_: end}
        blueprint.edges = self.blueprint.edges
        self.part, self.blueprint = part, blueprint
        return True


def source_part(value: Any) -> Blueprint:
    """The blueprint of a source: a `Source`, a stage without inlets, a `Publisher`, or an iterable of elements.

    Raises:
        TypeError: it is something else.
    """
    if isinstance(value, Stage | Blueprint) or hasattr(value, "blueprint"):
        return _part(value, 0, 1, "a source")
    if hasattr(value, "subscribe"):  # a Publisher; to ask for the protocol costs as much as all the rest
        return _of(FromPublisher(publisher=value))
    if isinstance(value, Iterable):
        return _of(Iterate(items=value))
    raise TypeError(f"{type(value).__name__} is no source: a Source, a Publisher or an iterable is needed")


def flow_part(value: Any) -> Blueprint | None:
    """The blueprint of a flow: a `Flow`, or a stage with one inlet and one outlet; None for the empty flow.

    Raises:
        TypeError: it is something else.
    """
    if getattr(value, "inlet", ...) is None:
        return None
    return _part(value, 1, 1, "a flow")


def sink_part(value: Any) -> Blueprint:
    """The blueprint of a sink: a `Sink`, or a stage without outlets.

    Raises:
        TypeError: it is something else.
    """
    return _part(value, 1, 0, "a sink")


def _part(value: Any, inlets: int, outlets: int, what: str) -> Blueprint:
    blueprint = value if isinstance(value, Blueprint) else getattr(value, "blueprint", None)
    if isinstance(value, Stage):
        blueprint = _of(value)
    if not isinstance(blueprint, Blueprint):
        raise TypeError(f"{type(value).__name__} is not {what}")
    try:
        expect_open(blueprint, inlets, outlets, what)
    except ConfigError as error:
        raise TypeError(error.message) from error
    return blueprint


def _of(stage: Stage) -> Blueprint:
    blueprint = Blueprint()
    blueprint.add(stage)
    return blueprint

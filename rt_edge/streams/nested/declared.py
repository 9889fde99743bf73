"""What a stage has to declare for the flows that run in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rt_edge.data.errors import ConfigError
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.nested.mold import flow_part, sink_part
from rt_edge.streams.stage import Hold, ReceiptUse, Stage

STEPS = 64
"""Steps of a flow in a configuration, at most."""


def inner_hold(part: Blueprint | None, own: int, times: int = 1) -> Hold:
    """What a stage keeps unsettled that holds `own` elements itself and runs `part` so many times at once."""
    elements: int | None = own
    seconds: float | None = 0.0
    for stage in part.nodes.values() if part is not None else ():
        if stage.receipts is not ReceiptUse.HOLD:
            continue
        hold = stage.holds()
        if hold.elements is None:
            elements = None
        elif elements is not None:
            elements += hold.elements * times
        if hold.elements != 0:
            seconds = None if hold.seconds is None or seconds is None else seconds + hold.seconds
    return Hold(elements, seconds)


def inner_combines(part: Blueprint | None) -> bool:
    """Whether a stage in there makes one element of several and does not settle early."""
    stages = part.nodes.values() if part is not None else ()
    return any(stage.combines and getattr(stage, "settle", "end") != "early" for stage in stages)


def inner_part(flow: Any, steps: Sequence[Any], what: str = "flow") -> Blueprint | None:
    """The part that a stage runs, given as a flow or as the steps of a configuration; None for the empty flow.

    Raises:
        ConfigError: both are given, or one of them is none.
    """
    if steps:
        if flow is not None:
            raise ConfigError(f"{what} and steps are two ways to say one thing", "leave one of them out")
        return steps_part(steps)
    if flow is None:
        return None
    try:
        return flow_part(flow)
    except TypeError as error:
        raise ConfigError(f"{what}: {error}", "like: Flow().map(...)") from error


def inner_sink(sink: Any, steps: Sequence[Any]) -> Blueprint:
    """The sink that a stage runs, given as such or as the steps of a configuration.

    Raises:
        ConfigError: both are given, or one of them is none.
    """
    if steps:
        if sink is not None:
            raise ConfigError("sink and steps are two ways to say one thing", "leave one of them out")
        return steps_part(steps, outlets=0)
    try:
        return sink_part(sink)
    except TypeError as error:
        raise ConfigError(f"sink: {error}", "like: Sink.to_path(...)") from error


def steps_part(steps: Sequence[Any], outlets: int = 1) -> Blueprint:
    """Steps one after the other, written as those of a graph: `[{filter: t > 0}, {take: 3}]`; of the last one `outlets` are open.

    Raises:
        ConfigError: with every error of the first wrong step.
    """
    from rt_edge.streams.catalogue import Catalogue  # it looks stages up, of which some import this

    if len(steps) > STEPS:
        raise ConfigError(f"{len(steps)} steps, at most {STEPS} are possible")
    catalogue, part, before = Catalogue.built_in(), Blueprint(), ""
    for place, step in enumerate(steps):
        if isinstance(step, str):
            kind, value = step, None
        elif isinstance(step, dict) and len(step) == 1:
            kind, value = next(iter(step.items()))
        else:
            raise ConfigError(f"steps[{place}] is {step!r}, it has to be a stage", "like: filter: temperature > -40")
        stage, errors = catalogue.check(kind, catalogue.properties(kind, value))
        if stage is None:
            raise ConfigError(f"steps[{place}]: " + "; ".join(str(error) for error in errors))
        before = _append(part, before, stage, place, outlets if place == len(steps) - 1 else 1)
    return part


def _append(part: Blueprint, before: str, stage: Stage, place: int, outlets: int) -> str:
    if (len(stage.inlets), len(stage.outlets)) != (1, outlets):
        wanted = "one outlet" if outlets else "no outlet, like to_path: it is the last step of a sink"
        raise ConfigError(f"steps[{place}]: {stage.label} has not one inlet and {wanted}")
    name = part.add(stage)
    if before:
        part.connect(before, name)
    return name

"""`rt-edge read`: what a point of a device holds now, asked for by the running node."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rt_edge.cli.output import JsonFlag
from rt_edge.cli.points import finish, node_of, shown

NodeArgument = Annotated[str, typer.Argument(help="The node: its configuration, its data directory, or its id.", metavar="NODE")]
PointArgument = Annotated[str, typer.Argument(help="ADAPTER/DEVICE/POINT, as configured.", metavar="POINT")]
DataOption = Annotated[Path | None, typer.Option("--data", help="Data directory of the node that is asked.")]


def command(node: NodeArgument, point: PointArgument, data: DataOption = None, json: JsonFlag = False) -> None:
    """Read one point of a device now, ahead of all polls.

    The running node reads it, on the connection that it has. Exit code 0: read; 1: it could not be read; 4: no node answers;
    5: there is no such point.

    \b
    Example:
        rt-edge read hall-3 plc/pump-1/pressure
    """
    with node_of(node, data) as (running, other):
        outcome = running.read_point(point, other)
    value = shown(outcome.value, outcome.unit)
    line = value if outcome.state == "confirmed" else f"{point}: {outcome.message}"
    finish(outcome, line, json, point=point)

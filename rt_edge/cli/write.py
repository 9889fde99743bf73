"""`rt-edge write`: one value for one point of a device, through the running node's own arbitration."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from rt_edge.actors.errors import AskTimeout, NoNode
from rt_edge.cli.output import JsonFlag
from rt_edge.cli.points import finish, node_of, shown, who
from rt_edge.cli.read import DataOption, NodeArgument, PointArgument
from rt_edge.commands.command import MAX_EXPIRES_S, Command, Outcome
from rt_edge.data.errors import ConfigError
from rt_edge.data.ids import new_incarnation
from rt_edge.data.units import parse_duration

NEGATIVE = re.compile(r"-(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
VALUED = ("--data", "--expires", "--key")
"""Options that take what follows them."""


class Parser(TyperCommand):
    """Takes `-5` for a value, not for an option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See `click.Command`."""
        return super().parse_args(ctx, negative_last(args))


def negative_last(args: list[str]) -> list[str]:
    """A negative number behind `--`, where it is an argument whatever it looks like."""
    found = [index for index, arg in enumerate(args) if NEGATIVE.fullmatch(arg) and (index == 0 or args[index - 1] not in VALUED)]
    if "--" in args or len(found) != 1:
        return args
    (index,) = found
    return [*args[:index], *args[index + 1 :], "--", args[index]]


def command(
    node: NodeArgument,
    point: PointArgument,
    value: Annotated[str, typer.Argument(help="true/false, a number, a text, or hex for bytes.")],
    data: DataOption = None,
    expires: Annotated[str, typer.Option("--expires", help="Not sent any more after this time.")] = "10s",
    key: Annotated[str, typer.Option("--key", help="Names the command: again with the same key, it is not repeated.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be written over what, and write nothing.")] = False,
    priority: Annotated[bool, typer.Option("--priority", help="Before commands to other points that wait.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the result, or until it is written down.")] = True,
    json: JsonFlag = False,
) -> None:
    """Write one value to one point of a device: checked, written down, sent, read back where nobody confirms it.

    Exit code 0: the device has the value (or, where it says nothing, it was sent; or accepted, with --no-wait or --dry-run);
    1: it has not, or that is not known; 4: no node answers; 5: refused.

    \b
    Example:
        rt-edge write hall-3 plc/pump-1/setpoint 4.5 --expires 5s
    """
    try:
        expires_s = float(parse_duration(expires))
    except ConfigError as error:
        raise typer.BadParameter(str(error), param_hint="--expires") from None
    if not 0 < expires_s <= MAX_EXPIRES_S:
        raise typer.BadParameter("a time above 0s, at most 24h", param_hint="--expires")
    user, where = who()
    keyed, key = bool(key), key or new_incarnation()
    asked = Command(key, "", value, expires_s, priority, dry_run, text=True, via="cli", who=user, where=where)
    with node_of(node, data) as (running, other):
        try:
            outcome = running.write_point(point, asked, other, wait, keyed=keyed)
        except NoNode as error:
            if not isinstance(error.__cause__, AskTimeout):
                raise
            outcome = Outcome(key, "unknown", False, f"{error.message}; ask again with --key {key}")
    finish(outcome, _line(point, value, key, outcome), json, point=point)


def _line(point: str, value: str, key: str, outcome: Outcome) -> str:
    before = f" (it was {shown(outcome.old)})" if outcome.old is not None else ""
    because = f": {outcome.message}" if outcome.message else ""
    if not outcome.final and outcome.state != "unknown":
        return f"{point}: {outcome.state}, key {key}"
    match outcome.state:
        case "confirmed":
            return f"{point} is {value}{before}{because}"
        case "sent":
            return f"{value} was sent to {point}{before}, which does not say whether it took it{because}"
        case "accepted":
            return f"{point}{because}{before}"
        case "refused":
            return f"refused: {outcome.message}"
        case "unknown":
            return f"{point}: unknown whether it was carried out{because}"
    return f"{point}: {outcome.state}{because}"

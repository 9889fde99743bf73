"""`rt-edge check`: a configuration's errors and warnings, or what the node would run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from rt_edge.cli.errors import ExitCode
from rt_edge.cli.output import JsonFlag, console, print_json
from rt_edge.cli.simulate_run import seconds
from rt_edge.data.text import visible
from rt_edge.settings.load import Check, Checked, load
from rt_edge.settings.places import Problem
from rt_edge.settings.plan import NodePlan
from rt_edge.settings.planning import Bounds, bounds
from rt_edge.settings.secrets import check_secrets

if TYPE_CHECKING:
    from rt_edge.cli.check_live import Live

CHECKS: tuple[Check, ...] = ()
"""Further checks, run on a plan without errors, in order, after those of `rt_edge.settings.load` (which has the planner)."""


def command(
    config: Annotated[Path, typer.Argument(help="The configuration file.", show_default=False)],
    secrets: Annotated[bool, typer.Option("--secrets", help="Also read every secret, to see that it is there.")] = False,
    live: Annotated[bool, typer.Option("--live", help="Also ask the devices of every adapter once, and change nothing.")] = False,
    within: Annotated[str, typer.Option("--within", help="With --live: the time that an adapter has.")] = "30s",
    as_json: JsonFlag = False,
) -> None:
    """Check a configuration without running it: every error and warning at once, each with file, line and column.

    Nothing is opened or connected, unless --live says so: then each adapter connects as it would in a node, asks its devices,
    and lets go. That takes the place of the node, which must not run. Exit code 0 if the node could start, 3 if not; 1 if a
    device did not answer; 5 if the node runs.

    \b
    Example:
        rt-edge check config/edge-modbus.yaml
        rt-edge check --live /etc/rt-edge/rt-edge.yaml
    """
    limit = seconds(within, "--within")
    checked = load(config, checks=(*CHECKS, *((check_secrets,) if secrets or live else ())))
    if not as_json:
        show(config, checked)
    lives = _live(checked.plan, limit, as_json) if live and checked.plan is not None else None
    if as_json:
        print_json(as_data(checked) | ({"live": msgspec.to_builtins(lives)} if live else {}))
    if checked.plan is None:
        raise typer.Exit(ExitCode.CONFIGURATION)
    if lives and not all(one.ok for one in lives):
        raise typer.Exit(ExitCode.FAILED)


def _live(plan: NodePlan, limit: float, as_json: bool) -> list[Live]:
    from rt_edge.cli.check_live import probe_all

    out = console()

    def said(live: Live) -> None:
        out.print(f"{live.adapter} ({live.kind}): ", end="")
        out.print("ok" if live.ok else "failed", style="green" if live.ok else "red", end="")
        out.print(f": {visible(' '.join(live.message.split()))}")

    return probe_all(plan, limit, said=None if as_json else said)


def as_data(checked: Checked) -> dict[str, Any]:
    """The result for programs."""
    plan = checked.plan
    return {
        "ok": plan is not None,
        "errors": [_problem(p) for p in checked.errors],
        "warnings": [_problem(p) for p in checked.warnings],
        "node": plan.node.id if plan is not None else None,
        "bounds": _bounds(checked),
        "islands": {name: list(members) for name, members in plan.islands.items()} if plan is not None else {},
    }


def _bounds(checked: Checked) -> dict[str, int | None] | None:
    if checked.plan is None or checked.draft is None:
        return None
    bound = bounds(checked.plan, checked.draft)
    return {**bound._asdict(), "total": bound.total}


def _problem(problem: Problem) -> dict[str, Any]:
    place = problem.place
    where = {"file": place.file, "line": place.line, "column": place.column, "path": problem.path}
    return {**where, "message": problem.message, "hint": problem.hint}


def show(config: Path, checked: Checked) -> None:
    """The result for people: a line a problem, in the form that editors jump to, and one that sums up."""
    out = console()
    for kind, style, problems in (("error", "red", checked.errors), ("warning", "yellow", checked.warnings)):
        for problem in problems:
            out.print(f"{problem.place}: ", end="")
            out.print(f"{kind}: ", style=style, end="")
            out.print(problem.words)
    if checked.plan is None:
        out.print(f"{config}: {_count(len(checked.errors), 'error')}, {_count(len(checked.warnings), 'warning')}")
    else:
        out.print(f"{config}: ok: {summary(checked.plan)}")
        if checked.draft is not None and checked.plan.graphs:
            out.print(f"{config}: {memory(bounds(checked.plan, checked.draft))}")


def memory(bound: Bounds) -> str:
    """How many Readings can be in memory at once, in words."""
    if bound.total is None:
        return "in memory at once: no bound, a graph has a stage that keeps everything"
    parts = f"{bound.sources:,} unsettled at the sources, {bound.graphs:,} in graphs, {bound.uplinks:,} before the disk"
    return f"in memory at once: at most {bound.total:,} readings ({parts})"


def summary(plan: NodePlan) -> str:
    """`node hall-3: 2 adapters, 1 graph, 1 uplink, in 4 islands`."""
    counts = [
        (len(plan.adapters), "adapter"),
        (len(plan.graphs), "graph"),
        (len(plan.uplinks), "uplink"),
        (len(plan.stores), "store"),
    ]
    parts = [_count(number, word) for number, word in counts if number]
    if plan.ingress is not None:
        parts.append(f"ingress on {plan.ingress.listen}")
    return f"node {plan.node.id}: {', '.join(parts) or 'nothing'}, in {_count(len(plan.islands), 'island')}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")

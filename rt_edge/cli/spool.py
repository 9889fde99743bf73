"""`rt-edge spool`: what waits on disk. It reads the files, so it works while the node runs and when it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from rt_edge.actors.errors import NoNode
from rt_edge.cli.errors import ExitCode, report_error
from rt_edge.cli.output import JsonFlag, print_json, print_table, quiet_pipe
from rt_edge.cli.where import data_dir, files_in, running_node
from rt_edge.data.clock import SystemClock
from rt_edge.data.errors import RtEdgeError
from rt_edge.data.units import show_duration, show_size
from rt_edge.spool.inspect import Inspection, LaneNotes, inspect
from rt_edge.telemetry.status import UplinkStatus

app = typer.Typer(
    help="Look at what waits on disk for the uplinks.\n\n\b\nExample:\n    rt-edge spool ls\n\nEvery command of it has --json.",
    no_args_is_help=True,
)
COLUMNS = ("spool", "lane", "records", "readings", "size", "oldest", "confirmed / last", "state")


@app.callback()
def family() -> None:
    """Keeps `ls` a command of its own while it is the only one."""


@app.command("ls")
def ls(
    config: Annotated[Path | None, typer.Argument(help="The node's configuration, or its data directory.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="The node's data directory.")] = None,
    letters: Annotated[int, typer.Option("--dead-letters", min=0, max=1000, help="How many dead letters to show.")] = 5,
    as_json: JsonFlag = False,
) -> None:
    """List the spools: what waits, how old it is, what was dropped and why, what was set aside.

    Exit code 0; 1 if a spool cannot be read (the others are shown).

    \b
    Example:
        rt-edge spool ls --data /var/lib/rt-edge
    """
    folder = data_dir(config, data) / "spool"
    found: list[tuple[Path, Inspection]] = []
    failures: list[RtEdgeError] = []
    for path in files_in(folder, "spool"):
        try:
            found.append((path, inspect(path, letters)))
        except RtEdgeError as error:
            failures.append(error)
    now = SystemClock().wall_ns()
    said = live(folder.parent) if any(one.pid is not None for _, one in found) else {}
    with quiet_pipe():
        if as_json:
            print_json([as_data(path, one, now, said.get(path.stem)) for path, one in found])
        elif found:
            show(found, now, said)
        elif not failures:
            typer.echo(f"no spools in {folder}: the node has no uplinks, or has not run yet")
    for failure in failures:
        report_error(failure)
    if failures:
        raise typer.Exit(ExitCode.FAILED)


def live(data: Path) -> dict[str, UplinkStatus]:
    """What a running node says of its uplinks, by name; empty if none answers.

    The cursor on disk is behind: what is confirmed is deleted in large steps, and until then counts as waiting in the file.
    """
    try:
        with running_node(data) as node:
            status = node.status()
    except NoNode:
        return {}  # the files are what was asked for; they have been read
    members = (member for island in status.islands for member in island.members)
    return {member.name.partition("/")[2]: member.uplink for member in members if member.uplink is not None}


def as_data(path: Path, one: Inspection, now: int, said: UplinkStatus | None) -> dict[str, Any]:
    """One spool, for programs: times are wall nanoseconds, ages are seconds."""
    lanes = []
    for lane in one.lanes:
        notes = one.notes.get(lane.id, LaneNotes())
        lanes.append(
            {
                "lane": lane.id.lane,
                "epoch": lane.id.epoch.hex(),
                "sealed": lane.sealed,
                "records": lane.records,
                "readings": lane.readings,
                "bytes": lane.bytes,
                "confirmed": lane.confirmed,
                "last": lane.last,
                "oldest": notes.oldest,
                "age": _age(notes, now),
                "dropped": notes.dropped,
                "gaps": notes.gaps,
                "unreadable": notes.unreadable,
            }
        )
    return {
        "spool": path.stem,
        "path": str(path),
        "node": one.node,
        "route": one.route,
        "store": one.store,
        "file_bytes": one.file_bytes,
        "pid": one.pid,
        "lanes": lanes,
        "live": msgspec.to_builtins(said) if said is not None else None,
        "findings": [msgspec.to_builtins(finding) for finding in one.findings],
        "set_aside": one.set_aside,
        "dead_letters": one.dead_letters,
        "latest_dead_letters": [msgspec.to_builtins(letter) for letter in one.latest],
    }


def show(found: list[tuple[Path, Inspection]], now: int, said: dict[str, UplinkStatus]) -> None:
    """A row a lane, then a line for each thing worth knowing."""
    rows, lines = [], []
    for path, one in found:
        for lane in one.lanes:
            notes = one.notes.get(lane.id, LaneNotes())
            age = _age(notes, now)
            rows.append(
                (
                    path.stem,
                    lane.id.lane,
                    f"{lane.records:,}",
                    f"{lane.readings:,}",
                    show_size(lane.bytes),
                    show_duration(round(age)) if age is not None else "-",
                    f"{lane.confirmed:,} / {lane.last:,}",
                    "sealed" if lane.sealed else "open",
                )
            )
        lines += [f"{path.stem}: {line}" for line in remarks(one, now, said.get(path.stem))]
    print_table(COLUMNS, rows)
    for line in lines:
        typer.echo(line)


def remarks(one: Inspection, now: int, said: UplinkStatus | None) -> list[str]:
    """What a person should know beside the numbers."""
    who = "no node has it open" if one.pid is None else f"open in process {one.pid or 'unknown'}"
    lines = [f"{show_size(one.file_bytes)} on disk, {who}"]
    if said is not None:
        lines.append(
            f"the node says: {said.readings:,} readings wait, {said.confirmed:,} of {said.last:,} records are confirmed;"
            " what is confirmed is deleted in large steps"
        )
    for notes in one.notes.values():
        lines += [f"dropped by {reason}: {n:,} readings (upstream will be told)" for reason, n in notes.dropped.items()]
        lines += [f"gap records, {reason}: {n:,}" for reason, n in notes.gaps.items()]
        if notes.unreadable:
            lines.append(f"unreadable notes: {notes.unreadable:,}")
    lines += [f"found: {finding.detail}" for finding in one.findings]
    lines += [f"set aside, for you to look at: {name}" for name in one.set_aside]
    if one.dead_letters:
        lines.append(f"dead letters: {one.dead_letters:,}")
    for letter in one.latest:
        ago = show_duration(round(max(0, now - letter.died_at) / 1e9))
        lines.append(f"dead letter {ago} ago, lane {letter.lane}, {letter.reason}: {letter.detail}")
    return lines


def _age(notes: LaneNotes, now: int) -> float | None:
    return None if notes.oldest is None else max(0, now - notes.oldest) / 1e9

"""`rt-edge status`: what a running node does: per graph node in/out/demand/buffered/dropped/errors, per wire rate."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from rt_edge.actors.errors import NoNode
from rt_edge.cli.output import JsonFlag, print_json, quiet_pipe
from rt_edge.cli.status_view import render
from rt_edge.cli.where import data_dir, running_node
from rt_edge.telemetry.status import NodeStatus

FIRST_RATES_S = 0.5


def command(
    config: Annotated[Path | None, typer.Argument(help="The node's configuration, or its data directory.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="The node's data directory.")] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show it again and again, until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option("--every", min=0.2, max=3600, help="Seconds between two looks.")] = 1.0,
    all_: Annotated[bool, typer.Option("--all", help="Also the ends of wires that join processes.")] = False,
    json: JsonFlag = False,
) -> None:
    """Show a running node: what each part does, what is wrong, and what holds the others back.

    Without an argument: the node of RT_EDGE_DATA, or of /var/lib/rt-edge. Exit code 4 if no node answers there.

    \b
    Example:
        rt-edge status --data /var/lib/rt-edge --watch
    """
    where = data_dir(config, data)
    out = Console(highlight=False, markup=False, emoji=False)
    if watch and not json:
        _watch(where, every, all_, out)
        return
    status = look(where)
    before = None
    if out.is_terminal and not json:
        threading.Event().wait(FIRST_RATES_S)  # rates need two looks, and people are who wants them
        before, status = status, look(where)
    with quiet_pipe():
        if json:
            print_json(msgspec.to_builtins(status))
        else:
            out.print(render(status, before, out.width, everything=all_))


def look(where: Path) -> NodeStatus:
    """The status of the node that runs on `where`.

    Raises:
        NoNode: none does, or it does not answer.
    """
    with running_node(where) as node:
        return node.status()


def _watch(where: Path, every: float, everything: bool, out: Console) -> None:
    """Look again and again; a node that is away for a while is waited for."""
    status, before = look(where), None
    pause = threading.Event()
    try:
        with Live(console=out, screen=out.is_terminal, auto_refresh=False, vertical_overflow="crop") as live:
            while True:
                live.update(render(status, before, out.width, everything=everything), refresh=True)
                pause.wait(every)
                try:
                    before, status = status, look(where)
                except NoNode as error:
                    shown = render(status, None, out.width, everything=everything)
                    live.update(Group(Text(f"{error.message}; waiting for it", "bold red"), shown), refresh=True)
                    pause.wait(every)
    except KeyboardInterrupt:
        return  # the way to end it

"""`rt-edge status`: what a running node does: per graph node in/out/demand/buffered/dropped/errors, per wire rate."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from rt_edge.cli.output import JsonFlag, print_json
from rt_edge.cli.where import data_dir, running_node


def command(
    config: Annotated[Path | None, typer.Argument(help="The node's configuration; default: --data.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="The node's data directory.")] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show it again and again, with rates, until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option("--every", min=0.2, max=3600, help="Seconds between two looks.")] = 1.0,
    json: JsonFlag = False,
) -> None:
    """Show a running node.

    Example: rt-edge status --data /var/lib/rt-edge --watch
    """
    with running_node(data_dir(config, data)) as node:
        status = node.status()
        if json:
            print_json(msgspec.to_builtins(status))
            return
        from rich.console import Console
        from rich.live import Live

        from rt_edge.cli.status_view import render

        if not watch:
            Console(highlight=False, markup=False).print(render(status, None))
            return
        stop = threading.Event()
        with Live(render(status, None), refresh_per_second=4, screen=False) as live:
            while True:
                stop.wait(every)
                before, status = status, node.status()
                live.update(render(status, before))

"""`rt-edge status`: what a running node does: per graph node in/out/demand/buffered/dropped/errors, per wire rate."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from rt_edge.cli.output import JsonFlag, print_json
from rt_edge.data.errors import ConfigError

DEFAULT_DATA = Path("/var/lib/rt-edge")


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
    from rt_edge.daemon.client import connect

    where = _data_dir(config, data)
    with connect(where) as node:
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


def _data_dir(config: Path | None, data: Path | None) -> Path:
    """Where the node keeps its data: given, in the environment, in its configuration, or the packaged place."""
    if data is not None:
        return data
    if config is not None:
        from rt_edge.settings.launch import read_plan

        return Path(read_plan(config).node.data)
    named = os.environ.get("RT_EDGE_DATA", "")
    if named:
        return Path(named)
    if (DEFAULT_DATA / "run").is_dir():
        return DEFAULT_DATA
    if Path("run/node.json").exists():
        return Path()
    raise ConfigError("which node?", "give its configuration, or --data DIRECTORY, or set RT_EDGE_DATA")

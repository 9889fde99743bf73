"""`rt-edge run CONFIG`: the node itself. Becomes the long-lived main process: no typer, rich, pydantic or ruamel.yaml in here."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from rt_edge.actors.island.preload import preload
from rt_edge.cli.errors import report_usage
from rt_edge.daemon.data_dir import move_data
from rt_edge.daemon.main import NodeDaemon
from rt_edge.settings.launch import BadConfiguration, read_result
from rt_edge.telemetry.log import configure

EXAMPLE = "example: rt-edge run /etc/rt-edge/rt-edge.yaml"


class Options(NamedTuple):
    """What stands behind `rt-edge run`: the configuration file, and the data directory that replaces its own."""

    config: Path
    data: Path | None


def main(argv: Sequence[str]) -> int:
    """Check the configuration in a child process, then run it until SIGTERM or Ctrl-C; returns the exit code."""
    options = _usual(argv) or _parsed(argv)
    result = read_result(options.config)
    if result.plan is None:
        raise BadConfiguration(result.errors)
    os.umask(0o077)  # for this process and all of the node: what a node writes is its own
    plan = result.plan
    if options.data is not None:
        plan = move_data(plan, options.data.absolute())
    configure(plan.telemetry.log_level, plan.telemetry.log_format)
    for warning in result.warnings:
        logging.getLogger("rt_edge.settings").warning("%s", warning)
    preload(plan, result.code)
    return NodeDaemon(plan).run()


def _usual(argv: Sequence[str]) -> Options | None:
    """Options in their usual form, without argparse in the memory of a long-lived process; None: it has to look at them."""
    match argv:
        case [config] if config and not config.startswith("-"):
            return Options(Path(config), None)
        case [config, "--data", data] if config and data and not config.startswith("-") and not data.startswith("-"):
            return Options(Path(config), Path(data))
    return None


def _parsed(argv: Sequence[str]) -> Options:
    """Options in any order and form, help, and what is wrong with them."""
    import argparse

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> NoReturn:
            raise SystemExit(report_usage(message, "rt-edge run"))

    parser = Parser("rt-edge run", description="Run a node until SIGTERM or Ctrl-C.", epilog=EXAMPLE)
    parser.add_argument("config", type=Path, help="the configuration file")
    parser.add_argument("--data", type=Path, help="use this data directory, not the configuration's")
    found = parser.parse_args(list(argv))
    return Options(found.config, found.data)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

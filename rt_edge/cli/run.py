"""`rt-edge run CONFIG`: the node itself. Becomes the long-lived main process: no typer, rich, pydantic or ruamel.yaml in here."""

from __future__ import annotations

import argparse
import gc
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rt_edge.daemon.data_dir import move_data
from rt_edge.daemon.main import NodeDaemon
from rt_edge.settings.launch import BadConfiguration, read_result
from rt_edge.settings.plan import NodePlan
from rt_edge.telemetry.log import configure

EXAMPLE = "example: rt-edge run /etc/rt-edge/rt-edge.yaml"


def main(argv: Sequence[str]) -> int:
    """Check the configuration in a child process, then run it until SIGTERM or Ctrl-C; returns the exit code."""
    parser = argparse.ArgumentParser("rt-edge run", description="Run a node until SIGTERM or Ctrl-C.", epilog=EXAMPLE)
    parser.add_argument("config", type=Path, help="the configuration file")
    parser.add_argument("--data", type=Path, help="use this data directory, not the configuration's")
    options = parser.parse_args(list(argv))
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
    _import_before_fork(plan)
    return NodeDaemon(plan).run()


def _import_before_fork(plan: NodePlan) -> None:
    """Import what the islands will need, so that they share its memory (design 6): one protocol library, not one a process."""
    from rt_edge.sdk.registry import Registry

    importlib.import_module("rt_edge.actors.island.runtime")
    if plan.uplinks:
        importlib.import_module("rt_edge.actors.island.uplink_member")
    if plan.ingress is not None:
        importlib.import_module("rt_edge.actors.island.ingress_member")
    registry = Registry.installed()
    for kind in {adapter.kind for adapter in plan.adapters.values()}:
        registry.load(kind)
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Running a simulator until Ctrl-C, SIGTERM or the end of `--for`, and saying what it is and what happened."""

from __future__ import annotations

import asyncio
import io
import signal
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from ruamel.yaml import YAML

from rt_edge.cli.output import print_json
from rt_edge.data.errors import ConfigError
from rt_edge.data.text import visible
from rt_edge.data.units import parse_duration
from rt_edge.testkit.simulators import Simulator

DurationOption = Annotated[str | None, typer.Option("--for", help="End by itself after so long: 30s.")]
SeedOption = Annotated[int, typer.Option("--seed", help="Of all chance in it: the same seed, the same faults.")]


def seconds(text: str, option: str) -> float:
    """A duration of the command line, above 0."""
    try:
        value = parse_duration(text)
    except ConfigError as error:
        raise typer.BadParameter(f"{error.message} ({error.hint})", param_hint=option) from None
    if value <= 0:
        raise typer.BadParameter("must be more than 0", param_hint=option)
    return float(value)


def run(make: Callable[[], Simulator], duration: str | None, as_json: bool) -> None:
    """Run what `make` makes; prints what it is once it is there, and its counts at the end."""
    limit = seconds(duration, "--for") if duration is not None else None
    asyncio.run(_run(make, limit, as_json))


async def _run(make: Callable[[], Simulator], limit: float | None, as_json: bool) -> None:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, over.set)
    simulator = make()
    async with simulator:
        _announce(simulator, as_json)
        try:
            async with asyncio.timeout(limit):
                await over.wait()
        except TimeoutError:
            pass  # --for
        counts = simulator.counts()
    if as_json:
        print_json({"counts": counts})
    elif counts:
        sys.stderr.write("rt-edge: " + ", ".join(f"{name} {count:,}" for name, count in counts.items()) + "\n")


def _announce(simulator: Simulator, as_json: bool) -> None:
    section = {"adapters": simulator.adapters()}
    if as_json:
        print_json({"says": simulator.says(), **section, "environment": simulator.environment()})
    else:
        for line in simulator.says():
            sys.stderr.write(f"rt-edge: {visible(line)}\n")
        for name, value in simulator.environment().items():
            sys.stderr.write(f"export {name}={value}\n")
        sys.stderr.write("rt-edge: a node that stores it; keep it in a file for `rt-edge run FILE`, `rt-edge store FILE`:\n")
        sys.stderr.flush()
        sys.stdout.write(as_yaml(node_of(section["adapters"])))
    sys.stdout.flush()


def node_of(adapters: dict[str, Any]) -> dict[str, Any]:
    """A whole configuration, as small as it can be: the readings of each adapter go to a store on this machine."""
    return {
        "node": {"id": "try-out", "data": "./try-out-data"},
        "adapters": adapters,
        "graphs": {name: [{"from": name}, {"to": "kept"}] for name in adapters},
        "stores": {"kept": {"kind": "sqlite"}},
    }


def as_yaml(value: Any) -> str:
    """`value` as a person would write it: the outer levels on lines of their own, the inner ones in braces."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = None
    yaml.width = 120
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # ruamel's attribute is untyped
    yaml.representer.ignore_aliases = lambda *_: True  # what is equal is written twice: no anchors
    out = io.StringIO()
    yaml.dump(value, out)
    return out.getvalue()

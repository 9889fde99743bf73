"""`rt-edge modbus`: `guess` finds type and byte order of registers that nobody has documented."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from rt_edge.cli.output import JsonFlag
from rt_edge.cli.scan_run import LiveReport, checked, from_config, print_found, put, until_done
from rt_edge.sdk.registry import Registry

app = typer.Typer(no_args_is_help=True)


@app.callback()
def family() -> None:
    """For devices on Modbus: find out how their registers are to be read (`guess`; with --json for programs).

    \b
    Example:
        rt-edge modbus guess plc.local --unit 11 --holding 100 --expect 20..25
    """


@app.command()
def guess(
    target: Annotated[str | None, typer.Argument(help="The line: a serial device (/dev/...), or HOST[:PORT].")] = None,
    unit: Annotated[int | None, typer.Option(help="Unit identifier; 1.")] = None,
    holding: Annotated[int | None, typer.Option(help="First holding register, from 0.")] = None,
    input_: Annotated[int | None, typer.Option("--input", help="First input register, from 0.")] = None,
    registers: Annotated[int | None, typer.Option(help="Registers to read, 1 to 32; 4.")] = None,
    expect: Annotated[str | None, typer.Option(help="What the value should be: 21.5 (2 % either way), or 20..25.")] = None,
    kind: Annotated[list[str] | None, typer.Option("--type", help="A type to try; all if none is given.")] = None,
    reads: Annotated[int | None, typer.Option(help="How often to read; 5.")] = None,
    every: Annotated[str | None, typer.Option(help="Time between reads; 500ms.")] = None,
    given: Annotated[list[str] | None, typer.Option("--set", help="The line: baud=9600, parity=none, framing=ascii.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="Take the line from an adapter of this configuration.")] = None,
    adapter: Annotated[str | None, typer.Option("--adapter", help="Which adapter of --config; default: the only one.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Read some registers in every way there is, the most plausible first. Nothing is written. A running node keeps its line to
    itself: stop it, or ask through a second TCP connection.

    \b
    Examples:
        rt-edge modbus guess /dev/serial/by-id/usb-FTDI_0001 --unit 11 --holding 100 --expect 20..25 --set baud=9600
        rt-edge modbus guess plc.local --input 0 --registers 8 --reads 20 --every 1s --json
    """
    cls = Registry.installed().load("modbus")
    tool = cls.tools()["guess"]
    values: dict[str, Any] = from_config("modbus", config, adapter, tool.model) if config is not None else {}
    if adapter is not None and config is None:
        raise typer.BadParameter("--adapter names an adapter of --config FILE", param_hint="--adapter")
    for text in given or ():
        put(values, text)
    options = {
        "target": target,
        "unit": unit,
        "holding": holding,
        "input": input_,
        "registers": registers,
        "expect": expect,
        "types": kind or None,
        "reads": reads,
        "every": every,
    }
    values |= {name: value for name, value in options.items() if value is not None}
    report = LiveReport(sys.stderr.isatty() and not as_json)
    with report.shown():
        ended_early = asyncio.run(until_done(tool.run(checked(tool.model, values), report)))
    print_found("modbus", report, ended_early, as_json)

"""`rt-edge`: finds the command, imports its module only, and turns whatever happens into one line and an exit code.

To add a command: a module `rt_edge/cli/NAME.py` and a line in COMMANDS.

- An ordinary command has a function `command` with typer's annotations; its docstring is the help and has an example; where its
  arguments are not parsed in the usual way, a class `Parser`, too. A family
  (`spool ls`, `spool verify`) has `app`, a `typer.Typer`, instead. Every command has `--json` (`rt_edge.cli.output.JsonFlag`).
- A `plain` command has `main(argv) -> int` and gets its own arguments: for those that become a long-lived process (`run`). Its
  module must not import typer, rich, pydantic or ruamel.yaml; argparse is fine, `--help` is its own to print.

A command returns normally (exit code 0), raises `typer.Exit(code)` with a code of `ExitCode`, or raises an error: `errors.py` has
which error becomes which code. `RT_EDGE_DEBUG=1` shows the traceback.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rt_edge import __version__
from rt_edge.cli.errors import ExitCode, report_error, report_usage

if TYPE_CHECKING:
    import typer


class Command(NamedTuple):
    """Where a command lives, its line in `rt-edge --help`, and whether it runs without typer."""

    module: str
    summary: str
    plain: bool = False


COMMANDS: dict[str, Command] = {
    "run": Command("rt_edge.cli.run", "Run a node until SIGTERM or Ctrl-C.", plain=True),
    "check": Command("rt_edge.cli.check", "Check a configuration: every error, with file, line and column."),
    "status": Command("rt_edge.cli.status", "Show a running node: graph nodes, wires, adapters, spools, links."),
    "read": Command("rt_edge.cli.read", "Read one point of a device now, by the running node."),
    "write": Command("rt_edge.cli.write", "Write one point of a device: checked, written down, confirmed."),
    "tap": Command("rt_edge.cli.tap", "Look at what passes a wire of a running node."),
    "spool": Command("rt_edge.cli.spool", "Look at what waits on disk: spool ls."),
    "store": Command("rt_edge.cli.store", "Read what an upstream node has stored: table, JSON lines, CSV."),
    "demo": Command("rt_edge.cli.demo", "See it work on this machine: no hardware, no account."),
    "simulate": Command("rt_edge.cli.simulate", "Devices to try a node with: modbus, serial, mqtt, coap, ble."),
    "schema": Command("rt_edge.cli.schema", "Print the JSON Schema of configuration files, for editors."),
    "scan": Command("rt_edge.cli.scan", "Look what is there: ports, units, topics, resources, devices in the air."),
    "modbus": Command("rt_edge.cli.modbus", "Find out how the registers of a Modbus device are to be read: modbus guess."),
    "adapters": Command("rt_edge.cli.adapters", "List the kinds of adapters, and what each needs and promises."),
}
"""In the order of `rt-edge --help`."""

SUMMARY = "rt-edge: an IoT edge gateway that forwards every reading, once, through any outage."


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code (`ExitCode`). Never raises.

    Args:
        argv: arguments without the program's name; default: those of the process.
    """
    args = list(sys.argv[1:] if argv is None else argv)
    try:
        if args == ["--version"]:
            sys.stdout.write(f"rt-edge {__version__}\n")
            return 0
        command = COMMANDS.get(args[0]) if args else None
        if command is not None and command.plain:
            return _code_of(lambda: int(_import_plain(command.module).main(args[1:])))
        return _run_typer(args, args[0] if command is not None else None)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 the last handler: one line instead of a traceback
        return report_error(error)


def _import_plain(name: str) -> Any:
    """The module of a long-lived process, without `typing_extensions`: msgspec takes names from it that `typing` has since Python
    3.11, and goes on where it is not installed. 0.4 MiB."""
    hidden = "typing_extensions" not in sys.modules
    if hidden:
        sys.modules["typing_extensions"] = None  # type: ignore[assignment]  # makes its import raise ImportError
    try:
        return importlib.import_module(name)
    finally:
        if hidden:
            del sys.modules["typing_extensions"]


def _run_typer(args: list[str], only: str | None) -> int:
    """Run typer on `args`, with one command, or with all of them where the help lists them."""
    if only is None and args and not args[0].startswith("-"):
        return report_usage(f"there is no command {args[0]!r}{_nearest(args[0])}", "rt-edge")
    app = make_app([only] if only is not None else list(COMMANDS))
    try:
        return _code_of(lambda: app(args=args or ["--help"], prog_name="rt-edge", standalone_mode=False))
    except Exception as error:
        said = getattr(error, "format_message", None)  # click's, or typer's own copy of it
        if said is None:
            raise
        context = getattr(error, "ctx", None)
        if type(error).__name__ == "NoArgsIsHelpError":
            sys.stderr.write(f"{context.get_help()}\n" if context is not None else "")
            return ExitCode.USAGE
        return report_usage(said(), "rt-edge" if context is None else context.command_path)


def _nearest(name: str) -> str:
    """What may have been meant."""
    import difflib

    found = difflib.get_close_matches(name, COMMANDS, 1)
    return f", did you mean {found[0]!r}?" if found else ""


def _code_of(work: Callable[[], int | None]) -> int:
    """The exit code of `work`, also where it leaves by SystemExit, as typer and argparse do."""
    try:
        return work() or 0
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 0 if leaving.code is None else 1


def make_app(names: Sequence[str]) -> typer.Typer:
    """The typer application with the commands `names`."""
    import typer

    app = typer.Typer(
        name="rt-edge",
        help=SUMMARY,
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )

    @app.callback(epilog="Exit codes: 0 ok, 1 failed, 2 usage, 3 configuration, 4 node not reachable, 5 refused.")
    def options(version: bool = typer.Option(False, "--version", help="Print the version and leave.")) -> None:
        if version:
            sys.stdout.write(f"rt-edge {__version__}\n")
            raise typer.Exit

    for name in names:
        command = COMMANDS[name]
        if command.plain:
            app.command(name, short_help=command.summary, help=command.summary)(_elsewhere)
            continue
        module = importlib.import_module(command.module)
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name, short_help=command.summary)
        else:
            app.command(name, cls=getattr(module, "Parser", None), short_help=command.summary)(module.command)
    return app


def _elsewhere() -> None:
    """Stands for a plain command in the help."""


if __name__ == "__main__":
    sys.exit(main())

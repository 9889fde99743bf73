"""What `read` and `write` share: which node is meant, who asks, and how an outcome is shown."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import typer

from rt_edge.cli.errors import ExitCode
from rt_edge.cli.output import print_json
from rt_edge.cli.where import data_dir, running_node
from rt_edge.commands.command import Outcome
from rt_edge.daemon.client import RunningNode
from rt_edge.data.errors import ConfigError
from rt_edge.data.ids import is_name
from rt_edge.data.reading import Value
from rt_edge.data.text import visible

CODES = {"confirmed": ExitCode.OK, "sent": ExitCode.OK, "accepted": ExitCode.OK, "refused": ExitCode.REFUSED}
"""State -> exit code; what is not here is FAILED."""

CONFIGURATIONS = (".yaml", ".yml")
"""A node may be called so, and nobody does: it is a file that is not there."""


@contextmanager
def node_of(name: str, data: Path | None) -> Iterator[tuple[RunningNode, str]]:
    """The running node to ask, and the name of the node that is meant if it is another one.

    Args:
        name: a configuration, a data directory, or the id of a node: of the one in `data`, RT_EDGE_DATA or the packaged place, or
            of one that is connected to it.
        data: a data directory.

    Raises:
        NoNode: none runs there.
        ConfigError: a configuration that is wrong.
    """
    path = Path(name)
    if path.suffix in CONFIGURATIONS and not path.exists():
        raise ConfigError(f"there is no configuration {name}")
    if data is None and (path.exists() or not is_name(name)):
        with running_node(data_dir(path, None)) as node:
            yield node, ""
        return
    with running_node(data_dir(None, data)) as node:
        yield node, "" if name == node.file.node else name


def who() -> tuple[str, str]:
    """The user, and where from, for the audit log."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid {os.getuid()}"
    remote = os.environ.get("SSH_CONNECTION", "").split(" ")[0]
    return user, f"ssh {remote}" if remote else "this host"


def shown(value: Value | None, unit: str = "") -> str:
    """A value as a person reads it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value.hex(" ") if isinstance(value, bytes) else visible(str(value))
    return f"{text} {unit}" if unit else text


def plain(outcome: Outcome, **more: Any) -> dict[str, Any]:
    """An outcome for programs; bytes are hex."""
    said: dict[str, Any] = {**more, **msgspec.structs.asdict(outcome)}
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in said.items()}


def finish(outcome: Outcome, line: str, as_json: bool, **more: Any) -> None:
    """Print what became of it, and leave with its exit code.

    Raises:
        typer.Exit: unless all is well.
    """
    code = CODES.get(outcome.state, ExitCode.FAILED)
    if as_json:
        print_json(plain(outcome, **more))
    elif code is ExitCode.OK:
        typer.echo(line)
    else:
        sys.stderr.write(f"rt-edge: {visible(' '.join(line.split()))}\n")
    if code is not ExitCode.OK:
        raise typer.Exit(code)

"""Errors of commands: which exit code, which line. Free of typer and rich: `run` uses it too."""

from __future__ import annotations

import enum
import os
import sys
import traceback
from collections.abc import Mapping

from rt_edge.actors.errors import NoNode
from rt_edge.data.errors import ConfigError, RefusedError, RtEdgeError
from rt_edge.data.text import visible


class ExitCode(enum.IntEnum):
    """What the exit code of a command means."""

    OK = 0
    FAILED = 1
    USAGE = 2
    CONFIGURATION = 3
    UNREACHABLE = 4
    REFUSED = 5


INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""


def exit_code(error: BaseException) -> int:
    """The exit code for an error."""
    if isinstance(error, ConfigError):
        return ExitCode.CONFIGURATION
    if isinstance(error, NoNode):
        return ExitCode.UNREACHABLE
    if isinstance(error, RefusedError):
        return ExitCode.REFUSED
    return INTERRUPTED if isinstance(error, KeyboardInterrupt) else ExitCode.FAILED


def report_error(error: BaseException, environ: Mapping[str, str] = os.environ) -> int:
    """Say what happened on stderr, on one line (a configuration: one a problem); returns the exit code."""
    if environ.get("RT_EDGE_DEBUG") == "1":
        traceback.print_exception(error, file=sys.stderr)
        return exit_code(error)
    if isinstance(error, KeyboardInterrupt):
        return exit_code(error)
    if isinstance(error, RtEdgeError):
        text = str(error)
    elif isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    else:
        text = f"{type(error).__name__}: {error} (a bug in rt-edge; RT_EDGE_DEBUG=1 shows where)"
    lines = text.splitlines() if isinstance(error, ConfigError) else [" ".join(text.split())]
    for line in lines or [type(error).__name__]:
        sys.stderr.write(f"rt-edge: {visible(line)}\n")
    return exit_code(error)


def report_usage(message: str, command: str) -> int:
    """Say on one line of stderr what is wrong with the arguments of `command`; returns the exit code."""
    text = visible(" ".join(message.split()).rstrip("."))
    sys.stderr.write(f"rt-edge: {text} (see `{command} --help`)\n")
    return ExitCode.USAGE

"""What a long-lived process calls to get its plan: the validating child is run, its result decoded."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from rt_edge.data.errors import ConfigError, InternalError
from rt_edge.settings.places import Problem
from rt_edge.settings.plan import NodePlan, PlanResult, decode_result

CHILD = "rt_edge.settings.child"
TIMEOUT = 120.0
"""Seconds; 500 Modbus devices take about 1."""


class BadConfiguration(ConfigError):
    """The configuration has errors; `problems` has all of them, `str` shows all, one a line."""

    code = "RTE201"

    def __init__(self, problems: Sequence[Problem]) -> None:
        count = len(problems)
        super().__init__("\n".join(str(p) for p in problems), "" if count == 1 else f"{count} errors")
        self.args = (tuple(problems),)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return self.message


def read_result(config: Path, *, module: str = CHILD, timeout: float = TIMEOUT) -> PlanResult:
    """Check `config` in a child process.

    Args:
        config: the file.
        module: run with `python -m`; writes a PlanResult.
        timeout: seconds.

    Raises:
        InternalError: the child crashed, took too long, or wrote something else.
    """
    command = [sys.executable, "-m", module, str(config)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False)  # noqa: S603 our own module
    except subprocess.TimeoutExpired:
        raise InternalError(f"checking {config} took longer than {timeout:g} s") from None
    if done.returncode not in {0, 3}:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise InternalError(f"checking {config} failed with exit code {done.returncode}: {''.join(last)}")
    try:
        return decode_result(done.stdout)
    except msgspec.DecodeError as error:
        raise InternalError(f"checking {config} gave no result: {error}") from error


def read_plan(config: Path, *, module: str = CHILD, timeout: float = TIMEOUT) -> NodePlan:
    """The plan of `config`.

    Raises:
        BadConfiguration: with every error.
        InternalError: the child crashed or took too long.
    """
    result = read_result(config, module=module, timeout=timeout)
    if result.plan is None:
        raise BadConfiguration(result.errors)
    return result.plan

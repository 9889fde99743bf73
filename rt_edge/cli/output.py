"""What commands print: JSON for programs, tables for people."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from rt_edge.data.text import visible

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def print_json(value: Any) -> None:
    """`value` as JSON on stdout, indented on a terminal, one line elsewhere."""
    indent = 2 if sys.stdout.isatty() else None
    sys.stdout.write(json.dumps(value, indent=indent, ensure_ascii=False) + "\n")


def console(*, stderr: bool = False) -> Console:
    """A console that prints text as it is: nothing in it is markup, long lines are not cut."""
    return Console(stderr=stderr, markup=False, highlight=False, soft_wrap=True, emoji=False)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on stdout; columns separated by tabs, without a head, where stdout is not a terminal."""
    rows = [[visible(cell) for cell in row] for row in rows]
    out = Console(highlight=False, markup=False, emoji=False)
    if not out.is_terminal:
        for row in rows:
            sys.stdout.write("\t".join(row) + "\n")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    out.print(table)


@contextmanager
def quiet_pipe() -> Iterator[None]:
    """Ends quietly, with exit code 0, when the reader of stdout has seen enough (`rt-edge store | head`)."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123  # Python flushes stdout at exit, and must not meet the pipe again
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        raise typer.Exit(0) from None

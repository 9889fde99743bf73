"""`rt-edge store`: what an upstream node has stored, read from the file: beside the node that writes it, or without one."""

from __future__ import annotations

import enum
import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from rt_edge.cli.output import JsonFlag, quiet_pipe
from rt_edge.cli.store_formats import CsvLines, JsonLines, Lines, TableLines, field_names
from rt_edge.cli.where import data_dir, files_in, is_database
from rt_edge.data.clock import SystemClock
from rt_edge.data.errors import ConfigError, InternalError
from rt_edge.data.record import LaneId
from rt_edge.data.units import parse_duration
from rt_edge.uplink.stores.query import Filter, Kind, StoredRow, StoreReader

FOLLOW_S = 0.5


class Format(enum.StrEnum):
    """How rows are printed."""

    TABLE = "table"
    JSONL = "jsonl"
    CSV = "csv"


def command(
    where: Annotated[Path | None, typer.Argument(help="A store's file, a configuration, or a data directory.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="The node's data directory.")] = None,
    format_: Annotated[Format, typer.Option("--format", "-f", help="How rows are printed.")] = Format.TABLE,
    as_json: JsonFlag = False,
    node: Annotated[str | None, typer.Option("--node", help="Only what this node sent.")] = None,
    source: Annotated[str | None, typer.Option("--source", help="Only this source, and all below it: plc, plc/pump-1.")] = None,
    since: Annotated[str | None, typer.Option("--since", help="From this time on: 2026-03-01T08:00, or 5min ago.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Before this time.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="At most so many rows.")] = None,
    fields: Annotated[str | None, typer.Option("--fields", help="Only these fields, by comma: pressure,flow.")] = None,
    gaps: Annotated[bool, typer.Option("--gaps", help="Also what was not read or was dropped, where, and why.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what comes in, until Ctrl-C.")] = False,
) -> None:
    """Print what a store holds: by node and lane, in the order in which it was sent.

    Times without an offset are local. Rows are read as they are printed: a large store needs no memory.

    \b
    Example:
        rt-edge store /var/lib/rt-edge/store/main.db --source plc --since 1h --format csv
    """
    form = Format.JSONL if as_json else format_
    names = [name.strip() for name in fields.split(",") if name.strip()] if fields else None
    if follow and form is Format.CSV and names is None:
        raise typer.BadParameter("with --follow, CSV needs --fields: its columns are fixed by the first line")
    kinds: frozenset[Kind] | None = None if gaps else frozenset({"reading"})
    wanted = Filter(
        node=node,
        source=source,
        since=_time(since, "--since"),
        until=_time(until, "--until"),
        fields=frozenset(names) if names is not None else None,
        kinds=kinds,
        limit=limit,
    )
    with StoreReader(store_file(where, data)) as reader, quiet_pipe():
        lines = _lines(form, reader, wanted, names)
        for row in _rows(reader, wanted, follow):
            lines.row(row)
        lines.end()


def store_file(where: Path | None, data: Path | None) -> Path:
    """The store that is meant.

    Raises:
        ConfigError: none is there, or several are.
    """
    if where is not None and data is None and (is_database(where) or where.suffix == ".db"):
        return where
    if where is not None and where.is_file():
        from rt_edge.settings.launch import read_plan

        found = [Path(store.path) for store in read_plan(where).stores.values()]
        place = str(where)
    else:
        folder = data_dir(where, data) / "store"
        found = files_in(folder, "store")
        place = str(folder)
    if len(found) == 1:
        return found[0]
    if not found:
        hint = "upstream nodes have one; to keep readings here, add stores: {kept: {kind: sqlite}}, and `- to: kept` in a graph"
        raise ConfigError(f"there is no store in {place}", hint)
    raise ConfigError(f"{place} has several stores", f"name one: {', '.join(str(path) for path in found[:5])}")


def _lines(form: Format, reader: StoreReader, wanted: Filter, names: list[str] | None) -> Lines:
    if form is Format.JSONL:
        return JsonLines(sys.stdout)
    if form is Format.CSV:
        return CsvLines(sys.stdout, names if names is not None else field_names(reader.rows(wanted)))
    return TableLines(sys.stdout, terminal=sys.stdout.isatty())


def _rows(reader: StoreReader, wanted: Filter, follow: bool) -> Iterator[StoredRow]:
    """All rows; with `follow`, then those that come in."""
    if not follow:
        yield from reader.rows(wanted)
        return
    seen: dict[LaneId, int] = {}
    left = wanted.limit
    pause = threading.Event()
    try:
        while True:
            reached = reader.positions()
            for row in reader.rows(msgspec.structs.replace(wanted, limit=left), seen) if reached != seen else ():
                yield row
                reached[row.lane] = max(reached.get(row.lane, 0), row.last)
                left = left - 1 if left is not None else None
                if left == 0:
                    return
            seen = reached
            sys.stdout.flush()
            pause.wait(FOLLOW_S)
    except KeyboardInterrupt:
        return  # the way to end it


def _time(text: str | None, option: str) -> int | None:
    """Wall nanoseconds of a time, or of so long ago."""
    if text is None:
        return None
    try:
        return SystemClock().wall_ns() - int(parse_duration(text.removesuffix(" ago")) * 1e9)
    except ConfigError:
        pass  # no duration, so it should be a time
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no time: write 2026-03-01T08:00, or 5min", param_hint=option) from error
    if when.tzinfo is None:
        when = when.astimezone()
    seconds = when.timestamp()
    if abs(seconds) > 9e9:
        raise InternalError(f"{text!r} is out of range")
    return int(seconds * 1_000_000) * 1000

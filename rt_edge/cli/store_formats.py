"""How stored rows are printed: a table that streams, JSON lines, CSV. Lines are written as rows come; nothing is collected."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Protocol, TextIO

import msgspec

from rt_edge.data.errors import RefusedError
from rt_edge.data.text import visible
from rt_edge.uplink.stores.query import StoredRow

MAX_COLUMNS = 500
"""Columns of a CSV that are found by themselves; more are refused, and to be named."""

NARROWEST = 12
WIDEST = 40


class Lines(Protocol):
    """Prints rows."""

    def row(self, row: StoredRow) -> None:
        """Print one."""
        ...

    def end(self) -> None:
        """There are no more."""
        ...


def iso(ns: int) -> str:
    """A time in UTC, to the nanosecond where it has them: `2026-03-01T08:00:00.250Z`."""
    seconds, rest = divmod(ns, 1_000_000_000)
    try:
        whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return str(ns)  # a device may say any number
    fraction = f"{rest:09d}".rstrip("0")
    return f"{whole}.{fraction.ljust(3, '0')}Z" if fraction else f"{whole}Z"


def local(ns: int) -> str:
    """A time for people: local, to the millisecond."""
    try:
        when = datetime.fromtimestamp(ns // 1_000_000_000, UTC).astimezone()
    except (OverflowError, ValueError, OSError):
        return str(ns)
    return f"{when:%Y-%m-%d %H:%M:%S}.{ns // 1_000_000 % 1000:03d}"


def shown(value: object) -> str:
    """A field's value for people."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, bytes):
        return value[:32].hex() + ("..." if len(value) > 32 else "")
    text = str(value)
    return text if text.isprintable() else repr(text)


def explain(row: StoredRow) -> tuple[int, str, str]:
    """Time, source and words of a row that is no reading."""
    if row.gap is not None:
        until = local(row.gap.end)
        return row.gap.start or row.gap.end, row.gap.source, f"GAP until {until}: {row.gap.reason}"
    if row.tombstone is not None:
        what = row.tombstone
        return what.at, row.lane.route, f"DROPPED {what.readings:,} readings in {what.records:,} records: {what.reason}"
    return row.received_at, row.lane.route, f"UNREADABLE record {row.number}"


class TableLines:
    """Time, source and fields in columns; columns separated by tabs, without a head, where it is not a terminal.

    Args:
        out: where to.
        terminal: whether people look at it.
    """

    def __init__(self, out: TextIO, terminal: bool) -> None:
        self._out = out
        self._terminal = terminal
        self._width = NARROWEST
        self._head = terminal
        self.rows = 0

    def row(self, row: StoredRow) -> None:
        """Print one."""
        if row.reading is not None:
            reading = row.reading
            words = "  ".join(f"{name}={shown(value)}" for name, value in reading.fields.items())
            marks = [*([reading.quality] if reading.quality != "good" else []), *(["held"] if reading.held else [])]
            self._line(reading.ts, reading.source, f"{words}  ({', '.join(marks)})" if marks else words)
        else:
            self._line(*explain(row))

    def _line(self, ts: int, source: str, words: str) -> None:
        self.rows += 1
        source, words = visible(source), visible(words)  # devices choose their names, and names of fields
        if not self._terminal:
            self._out.write(f"{iso(ts)}\t{source}\t{words}\n")
            return
        self._width = min(max(self._width, len(source)), WIDEST)
        if self._head:
            self._out.write(f"{'time':<23}  {'source':<{self._width}}  fields\n")
            self._head = False
        self._out.write(f"{local(ts)}  {source:<{self._width}}  {words}\n")

    def end(self) -> None:
        """Say so where nothing was found."""
        if not self.rows and self._terminal:
            sys.stderr.write("rt-edge: nothing stored matches\n")


class JsonLines:
    """One JSON object a line; bytes are base64, NaN is null; times are nanoseconds, `time` is the same for people."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._encoder = msgspec.json.Encoder()

    def row(self, row: StoredRow) -> None:
        """Print one."""
        lane = row.lane
        data: dict[str, Any] = {"kind": row.kind, "node": lane.node, "route": lane.route, "lane": lane.lane}
        data |= {"epoch": lane.epoch.hex(), "number": row.number, "index": row.index, "stored_at": row.received_at}
        if row.reading is not None:
            reading = row.reading
            data |= {"time": iso(reading.ts), "source": reading.source, "ts": reading.ts, "fields": reading.fields}
            data |= {"quality": reading.quality, "tags": reading.tags, "received": reading.received, "held": reading.held}
        elif row.gap is not None:
            gap = row.gap
            data |= {"time": iso(gap.start), "source": gap.source, "reason": gap.reason, "start": gap.start, "end": gap.end}
        elif row.tombstone is not None:
            dropped = row.tombstone
            data |= {"time": iso(dropped.at), "reason": dropped.reason, "records": dropped.records, "readings": dropped.readings}
            data["last"] = row.last
        self._out.write(self._encoder.encode(data).decode() + "\n")

    def end(self) -> None:
        """Nothing to add."""


class CsvLines:
    """A column for each field; a gap or a drop is a row with `kind` and `note`, and no fields.

    Args:
        out: where to.
        names: the fields, in order.
    """

    FIXED = ("time", "node", "source", "kind", "quality", "note")

    def __init__(self, out: TextIO, names: list[str]) -> None:
        self._names = names
        self._known = frozenset(names)
        self._writer = csv.writer(out, lineterminator="\n")
        self._writer.writerow((*self.FIXED, *names))
        self._missed: dict[str, int] = {}

    def row(self, row: StoredRow) -> None:
        """Print one."""
        if row.reading is None:
            ts, source, note = explain(row)
            self._writer.writerow((iso(ts), row.lane.node, source, row.kind, "", note, *("" for _ in self._names)))
            return
        reading = row.reading
        for name in reading.fields.keys() - self._known:
            if len(self._missed) < MAX_COLUMNS:
                self._missed[name] = self._missed.get(name, 0) + 1
        head = (iso(reading.ts), row.lane.node, reading.source, row.kind, reading.quality, "held" if reading.held else "")
        self._writer.writerow((*head, *(_cell(reading.fields.get(name, "")) for name in self._names)))

    def end(self) -> None:
        """Name the fields that came in while rows were printed, and have no column."""
        for name, n in self._missed.items():
            sys.stderr.write(f"rt-edge: {n} values of the field {name!r}, which came in meanwhile, have no column\n")


def _cell(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else str(value).lower() if isinstance(value, bool) else value


def field_names(rows: Iterable[StoredRow]) -> list[str]:
    """The names of all fields, in the order in which they come up.

    Raises:
        RefusedError: more than `MAX_COLUMNS`.
    """
    names: dict[str, None] = {}
    for row in rows:
        if row.reading is not None and not row.reading.fields.keys() <= names.keys():
            names.update(dict.fromkeys(row.reading.fields))
            if len(names) > MAX_COLUMNS:
                raise RefusedError(f"the readings have more than {MAX_COLUMNS} fields", "name those you want with --fields")
    return list(names)

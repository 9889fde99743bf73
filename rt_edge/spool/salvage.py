"""Reading what can be read of a damaged spool into a new file.

Lanes keep name, epoch and numbers, so that what the peer has already is not stored twice; what is missing between readable
records becomes a tombstone `unreadable`. Rows of a lane whose own row is lost get a new epoch and start at 1.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from rt_edge.data.ids import new_epoch
from rt_edge.spool.database import KEY_BITS, NAMES, SEQ_MASK, create_tables, prepare, transaction
from rt_edge.spool.lanes import Lane
from rt_edge.spool.pending import MAIN
from rt_edge.spool.rows import INSERT, Row, bury, checksum

PROBES = 20_000
"""Seeks into a damaged stretch, at most."""

STRIDE = 8
"""Keys a probe may jump over after failures; about the rows of one damaged page."""

MAX_EXTENDED = 64 * 10**9
"""Bytes to which a file that was cut off is extended; a header that says more is not believed."""

BATCH = 500


class Salvaged(msgspec.Struct):
    """What came out: records copied, numbers that became tombstones, rows whose checksum was wrong."""

    records: int = 0
    missing: int = 0
    damaged: int = 0


def salvage(source: sqlite3.Connection, target: sqlite3.Connection, now: int, max_bytes: int) -> Salvaged:
    """Copy every readable row of `source` into the empty database `target`.

    Raises:
        sqlite3.Error: `target` cannot be written (a full disk).
    """
    prepare(target, max_bytes)
    result = Salvaged()
    with transaction(target):
        create_tables(target)
        for name in NAMES:
            if name not in ("record", "lane"):
                _copy_table(source, target, name)
        lanes = {lane.id: lane for lane in _lanes(source)}
    _copy_records(source, target, lanes, result)
    with transaction(target):
        for lane in lanes.values():
            target.execute(
                "INSERT INTO lane (id, name, epoch, base, confirmed, checksum, sealed) VALUES (?, ?, ?, ?, ?, ?, 1)",
                (lane.id, lane.name, lane.epoch, lane.base, lane.confirmed, lane.checksum),
            )
            result.missing += _fill_holes(target, lane, now)
    return result


def _lanes(source: sqlite3.Connection) -> Iterator[Lane]:
    for row in rows_of(source, "lane", "id"):
        try:
            id_, name, epoch, base, confirmed, check, sealed = row[:7]
            if isinstance(name, str) and len(epoch) == len(new_epoch()) and 0 <= base <= confirmed < SEQ_MASK:
                yield Lane(int(id_), name, bytes(epoch), base, confirmed, check if isinstance(check, int) else None, bool(sealed))
        except (TypeError, ValueError):
            continue  # the row is damaged: its records get a new epoch


def _copy_table(source: sqlite3.Connection, target: sqlite3.Connection, name: str) -> None:
    key = "key" if name == "meta" else "at"
    for row in rows_of(source, name, key):
        marks = ",".join("?" * len(row))
        target.execute(f"INSERT OR IGNORE INTO {name} VALUES ({marks})", row)  # noqa: S608  # names from our own list


def _copy_records(source: sqlite3.Connection, target: sqlite3.Connection, lanes: dict[int, Lane], result: Salvaged) -> None:
    batch: list[Row] = []
    for row in rows_of(source, "record", "at"):
        if not _is_good(row):
            result.damaged += 1
            continue
        id_, seq = row[0] >> KEY_BITS, row[0] & SEQ_MASK
        lane = lanes.get(id_)
        if lane is None:
            # Its own row is lost. Numbers start at 1 under the new epoch; `confirmed` and `base` settle in _fill_holes.
            lane = lanes[id_] = Lane(id_, MAIN, new_epoch(), base=-1)
        if seq > lane.confirmed:
            batch.append(row)
            result.records += 1
        if len(batch) >= BATCH:
            _write(target, batch)
    _write(target, batch)


def _is_good(row: tuple[Any, ...]) -> bool:
    try:
        at, first, kind, count, _, crc, payload = row
        return isinstance(payload, bytes) and kind in (0, 1, 2) and crc == checksum(at, first, kind, count, payload)
    except (TypeError, ValueError):
        return False


def _write(target: sqlite3.Connection, batch: list[Row]) -> None:
    with transaction(target):
        target.executemany(INSERT.replace("INSERT", "INSERT OR IGNORE"), batch)
    batch.clear()


def _fill_holes(target: sqlite3.Connection, lane: Lane, now: int) -> int:
    """Tombstones where numbers are missing; returns how many numbers."""
    span = (lane.key(0), lane.key(SEQ_MASK))
    rows = target.execute("SELECT at, first FROM record WHERE at BETWEEN ? AND ? ORDER BY at", span)
    expected = lane.confirmed + 1
    holes: list[tuple[int, int]] = []
    for at, first in rows:
        if lane.base < 0:
            lane.base = lane.confirmed = first - 1
            expected = first
        if first > expected:
            holes.append((expected, first - 1))
        expected = (at & SEQ_MASK) + 1
    for first, last in holes:
        bury(target, lane, first, last, 0, now)
    if lane.base < 0:
        lane.base = 0
    target.execute("UPDATE lane SET base = ?, confirmed = ? WHERE id = ?", (lane.base, lane.confirmed, lane.id))
    return sum(last - first + 1 for first, last in holes)


def rows_of(conn: sqlite3.Connection, table: str, key: str) -> Iterator[tuple[Any, ...]]:
    """Every readable row: from the front, from the back, then with seeks into the stretch between."""
    column = 0  # the key is the first column of every table
    low: Any = None
    try:
        for row in conn.execute(f"SELECT * FROM {table} ORDER BY {key}"):  # noqa: S608  # names from our own list
            yield row
            low = row[column]
        return
    except (sqlite3.Error, UnicodeDecodeError):
        pass  # damage: go on from the other end
    high: Any = None
    try:
        for row in conn.execute(f"SELECT * FROM {table} ORDER BY {key} DESC"):  # noqa: S608  # names from our own list
            if low is not None and row[column] <= low:
                return
            yield row
            high = row[column]
    except (sqlite3.Error, UnicodeDecodeError):
        pass  # damage on this side, too: probe between
    if isinstance(low, int) or isinstance(high, int):
        yield from _probe(conn, table, key, low if isinstance(low, int) else 0, high if isinstance(high, int) else None)


def _probe(conn: sqlite3.Connection, table: str, key: str, low: int, high: int | None) -> Iterator[tuple[Any, ...]]:
    query = f"SELECT * FROM {table} WHERE {key} > ? ORDER BY {key}"  # noqa: S608  # names from our own list
    stride = 1
    for _ in range(PROBES):
        if high is not None and low >= high - 1:
            return
        try:
            for row in conn.execute(query, (low,)):
                if high is not None and row[0] >= high:
                    return
                yield row
                low, stride = row[0], 1
            return
        except (sqlite3.Error, UnicodeDecodeError):
            low += stride
            stride = min(2 * stride, STRIDE)


def _extend(path: Path) -> None:
    """Give a file that was cut off its length back, with zeros that take no space: SQLite reads nothing of a shorter one.

    Format: sqlite.org/fileformat2.html, 1.3: page size at offset 16, pages in the file at 28, big endian.
    """
    with path.open("r+b") as file:
        header = file.read(32)
        page = int.from_bytes(header[16:18], "big")
        length = int.from_bytes(header[28:32], "big") * (65536 if page == 1 else page)
        if header.startswith(b"SQLite format 3\0") and path.stat().st_size < length <= MAX_EXTENDED:
            file.truncate(length)


def open_damaged(path: Path) -> sqlite3.Connection | None:
    """A connection for reading a damaged file, or None if it is not even a database."""
    _extend(path)
    conn = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1.0)
    try:
        conn.execute("PRAGMA wal_autocheckpoint=0").fetchall()
        conn.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        conn.close()
        return None
    return conn

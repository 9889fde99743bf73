"""The rows of the record table: writing, reading with checksums, and tombstones over what is dropped or unreadable."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable

import msgspec

from rt_edge.data.record import Record, RecordKind, Tombstone
from rt_edge.spool.database import ROW_COST, SEQ_MASK
from rt_edge.spool.lanes import Lane

DROP_OLDEST = "drop_oldest"
STORED = "stored"
UNREADABLE = "unreadable"

Row = tuple[int, int, int, int, int, int, bytes]
"""at, first, kind, count, stored_at, crc, payload."""

INSERT = "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?)"
_encoder = msgspec.msgpack.Encoder()
_tombstone = msgspec.msgpack.Decoder(Tombstone)


def checksum(at: int, first: int, kind: int, count: int, payload: bytes) -> int:
    """CRC-32 of a row: SQLite itself does not notice a flipped bit in a payload."""
    return zlib.crc32(payload, zlib.crc32(b"%d %d %d %d" % (at, first, kind, count)))


def make_row(lane: Lane, first: int, last: int, kind: RecordKind, count: int, payload: bytes, now: int) -> Row:
    """A row ready for `INSERT`."""
    at = lane.key(last)
    return at, first, int(kind), count, now, checksum(at, first, int(kind), count, payload), payload


def make_tombstone(lane: Lane, first: int, last: int, reason: str, readings: int, now: int) -> Row:
    """A tombstone row over first..last; one that says `stored` stands for records that the peer has, so it counts none."""
    payload = _encoder.encode(Tombstone(reason, 0 if reason == STORED else last - first + 1, readings, now))
    return make_row(lane, first, last, RecordKind.TOMBSTONE, readings, payload, now)


def trimmed(record: Record, after: int) -> Record:
    """The part of a tombstone beyond `after`; how many readings lie in it is estimated, by numbers."""
    if record.first > after or record.kind is not RecordKind.TOMBSTONE:
        return record
    first, numbers = after + 1, record.last - after
    readings = record.count * numbers // (record.last - record.first + 1)
    old = _tombstone.decode(record.payload)
    payload = _encoder.encode(Tombstone(old.reason, min(old.records, numbers), readings, old.at))
    return Record(first, record.last, record.kind, readings, payload)


class Batch(msgspec.Struct):
    """What `read_rows` found: good records, and number ranges that have to become tombstones first."""

    records: list[Record]
    broken: tuple[int, int, int] | None
    """First and last `seq` of the first unreadable stretch, and the readings known to be in it."""


def read_rows(conn: sqlite3.Connection, lane: Lane, after: int, max_bytes: int, max_records: int) -> Batch:
    """Records of `lane` beyond `seq` `after`, in order, until there are `max_bytes` or `max_records` of them.

    Stops at the first row that is missing or whose checksum is wrong.
    """
    found: list[Record] = []
    size, expected = 0, after + 1
    rows: Iterable[tuple[int, int, int, int, int, bytes]] = conn.execute(
        "SELECT at, first, kind, count, crc, payload FROM record WHERE at > ? AND at <= ? ORDER BY at LIMIT ?",
        (lane.key(after), lane.key(lane.last), max_records),
    )
    for at, first, kind, count, crc, payload in rows:
        last = at & SEQ_MASK
        if first > expected:
            return Batch(found, (expected, first - 1, 0))
        if not isinstance(payload, bytes) or crc != checksum(at, first, kind, count, payload) or kind not in (0, 1, 2):
            return Batch(found, (expected, last, count if kind == 0 and isinstance(count, int) else 0))
        if found and size >= max_bytes:
            break
        record = Record(first - lane.base, last - lane.base, RecordKind(kind), count, payload)
        found.append(trimmed(record, expected - 1 - lane.base))
        size += len(payload)
        expected = last + 1
    else:
        if len(found) < max_records and expected <= lane.last:
            return Batch(found, (expected, lane.last, 0))
    return Batch(found, None)


class Drop(msgspec.Struct):
    """Rows that a tombstone will replace.

    Attributes:
        first: first number, an adjacent older tombstone included.
        last: last number.
        keys: key of the first and of the last row to delete.
        records: droppable records (not tombstones) among them.
        readings: readings in those.
        bytes: charged bytes in those.
        total: readings the tombstone speaks of, those of absorbed tombstones included.
    """

    lane: Lane
    first: int
    last: int
    keys: tuple[int, int]
    records: int
    readings: int
    bytes: int
    total: int
    absorbed: int


def plan_drop(conn: sqlite3.Connection, lane: Lane, need: int) -> list[Drop]:
    """The oldest rows of `lane` that may go, until `need` bytes would be free; fewer if there are no more."""
    plans: list[Drop] = []
    start = max(lane.confirmed, lane.sent)
    got = 0
    rows = conn.execute(
        "SELECT at, first, kind, count, length(payload), CASE kind WHEN 1 THEN payload END FROM record"
        " WHERE at > ? AND at <= ? ORDER BY at",
        (lane.key(start), lane.key(lane.last)),
    )
    run: Drop | None = None
    for at, first, kind, count, length, payload in rows:
        last = at & SEQ_MASK
        dead = kind == RecordKind.TOMBSTONE
        if got >= need and not (dead and run is not None):
            break
        if dead and (first <= start or _reason(payload) != DROP_OLDEST):
            run = None
            continue
        if run is None:
            run = Drop(lane, first, last, (at, at), 0, 0, 0, 0, 0)
            plans.append(run)
        run.last, run.keys = last, (run.keys[0], at)
        run.total += count if dead or kind == RecordKind.DATA else 0
        if dead:
            run.absorbed += 1
        else:
            run.records += 1
            run.readings += count if kind == RecordKind.DATA else 0
            run.bytes += length + ROW_COST
            got += length + ROW_COST
    return [plan for plan in plans if plan.records]


def _reason(payload: object) -> str:
    try:
        return _tombstone.decode(payload).reason  # type: ignore[arg-type]  # whatever is in the file; checked by the decoder
    except (msgspec.MsgspecError, TypeError):
        return ""


def execute_drop(conn: sqlite3.Connection, plan: Drop, now: int) -> None:
    """Replace the rows by their tombstone, in the transaction of the caller."""
    conn.execute("DELETE FROM record WHERE at BETWEEN ? AND ?", plan.keys)
    conn.execute(INSERT, make_tombstone(plan.lane, plan.first, plan.last, DROP_OLDEST, plan.total, now))


def bury(conn: sqlite3.Connection, lane: Lane, first: int, last: int, readings: int, now: int, reason: str = UNREADABLE) -> None:
    """Put a tombstone over an unreadable stretch, in the transaction of the caller."""
    conn.execute("DELETE FROM record WHERE at BETWEEN ? AND ?", (lane.key(first), lane.key(last)))
    conn.execute(INSERT, make_tombstone(lane, first, last, reason, readings, now))

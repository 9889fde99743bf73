"""Tables of the SQLite store.

A row is a record as it came. Its key is lane and last number in one integer, so that committing appends to the end of the lane;
the times of its readings stand beside it, so that a query by time reads no payload in vain. `transaction` and the connection
are those of the spool.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import quote

import msgspec

from rt_edge.data.codec import decode_readings
from rt_edge.data.errors import CodecError
from rt_edge.data.record import Gap, Record, RecordKind, Tombstone
from rt_edge.spool.database import SEQ_MASK
from rt_edge.uplink.stores.errors import StoreUnusable

SCHEMA = 1
TABLES = (
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE lane(id INTEGER PRIMARY KEY, node TEXT NOT NULL, route TEXT NOT NULL, lane TEXT NOT NULL, epoch BLOB NOT NULL,
    position INTEGER NOT NULL DEFAULT 0, session TEXT NOT NULL DEFAULT '', checksum INTEGER DEFAULT 0,
    opened_at INTEGER NOT NULL, UNIQUE(node, route, lane, epoch))""",
    """CREATE TABLE record(at INTEGER PRIMARY KEY, first INTEGER NOT NULL, kind INTEGER NOT NULL, count INTEGER NOT NULL,
    first_ts INTEGER, last_ts INTEGER, received_at INTEGER NOT NULL, payload BLOB NOT NULL)""",
)
NAMES = frozenset({"meta", "lane", "record"})
KEY_BITS = SEQ_MASK.bit_length()

_gap = msgspec.msgpack.Decoder(Gap)
_tombstone = msgspec.msgpack.Decoder(Tombstone)


def key(lane: int, number: int) -> int:
    """The key of a row."""
    return lane << KEY_BITS | number


def span(record: Record) -> tuple[int | None, int | None]:
    """First and last time (wall ns) that a record speaks of; None where its payload cannot be read."""
    try:
        if record.kind is RecordKind.GAP:
            gap = _gap.decode(record.payload)
            return gap.start, gap.end
        if record.kind is RecordKind.TOMBSTONE:
            at = _tombstone.decode(record.payload).at
            return at, at
        times = [reading.ts for reading in decode_readings(record.payload)]
    except (CodecError, msgspec.MsgspecError):
        return None, None
    return (min(times), max(times)) if times else (None, None)


def open_for_reading(path: Path) -> sqlite3.Connection:
    """A read-only connection, beside a live writer or without one; the tables may not be there yet (`made`).

    Raises:
        StoreUnusable: no store is there, or one of a newer version.
    """
    if not path.exists():
        raise StoreUnusable(f"there is no store at {path}", "an upstream node makes it when it starts")
    address = f"file:{quote(str(path))}?mode=ro"
    conn = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False, timeout=5.0)
    try:
        if made(conn) or not _begun(conn):
            check_version(conn, path)
    except sqlite3.Error as error:
        conn.close()
        raise StoreUnusable(f"{path} cannot be read: {error}") from error
    except BaseException:
        conn.close()
        raise
    return conn


def made(conn: sqlite3.Connection) -> bool:
    """Whether all tables are there: a file that is being made has none or some of them, and nothing is stored in it."""
    return _names(conn) >= NAMES


def _begun(conn: sqlite3.Connection) -> bool:
    """Whether nothing but a part of a store is there, without the number that comes last."""
    return _names(conn) <= NAMES and _version(conn) == 0


def _names(conn: sqlite3.Connection) -> set[str]:
    return {row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _version(conn: sqlite3.Connection) -> int:
    return int(conn.execute("PRAGMA user_version").fetchone()[0])


def check_version(conn: sqlite3.Connection, path: Path) -> int:
    """The version of the tables.

    Raises:
        StoreUnusable: newer than ours, or not a store.
    """
    version, names = _version(conn), _names(conn)
    if version > SCHEMA:
        raise StoreUnusable(f"{path} was written by a newer rt_edge (tables {version}, known {SCHEMA})", "use that version")
    if names and not names >= NAMES:
        raise StoreUnusable(f"{path} is a database, but not a store", "name another file")
    return version

"""The SQLite side that spool and recovery share: schema, connection, transactions, kinds of errors.

One file, WAL, `synchronous=FULL`: a commit is on the disk when it returns. `secure_delete` is off: Debian's build has it on, and
then every deleted page is written again, half of all writing. Rows of `record` are keyed by lane and number in one integer, so
that appending is always at the end of the tree; the payload is the last column, so that counting rows reads no payload.
"""

from __future__ import annotations

import enum
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rt_edge.data.errors import InternalError

SCHEMA = 1
"""Version of the tables; a file with a newer one is set aside untouched."""

KEY_BITS = 40
"""A row's key is `lane id << KEY_BITS | number`."""

SEQ_MASK = (1 << KEY_BITS) - 1

ROW_COST = 64
"""Bytes a row is charged besides its payload."""

TABLES = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE lane(id INTEGER PRIMARY KEY, name TEXT NOT NULL, epoch BLOB NOT NULL, base INTEGER NOT NULL DEFAULT 0,
    confirmed INTEGER NOT NULL DEFAULT 0, checksum INTEGER DEFAULT 0, sealed INTEGER NOT NULL DEFAULT 0,
    records INTEGER NOT NULL DEFAULT 0, readings INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0);
CREATE TABLE record(at INTEGER PRIMARY KEY, first INTEGER NOT NULL, kind INTEGER NOT NULL, count INTEGER NOT NULL,
    stored_at INTEGER NOT NULL, crc INTEGER NOT NULL, payload BLOB NOT NULL);
CREATE TABLE intake(at INTEGER PRIMARY KEY, entries BLOB NOT NULL);
CREATE TABLE dead_letter(at INTEGER PRIMARY KEY, died_at INTEGER NOT NULL, lane TEXT NOT NULL, reason TEXT NOT NULL,
    detail TEXT NOT NULL);
"""
NAMES = ("meta", "lane", "record", "intake", "dead_letter")

PRIVATE = 0o600
"""Mode of every file with readings in it."""

Connect = Callable[[Path], sqlite3.Connection]


class Trouble(enum.Enum):
    """What an SQLite error means to us."""

    FULL = "full"
    IO = "io"
    CORRUPT = "corrupt"
    BUG = "bug"


_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_UNREADABLE = {sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS}
_IO = {
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_PERM,
}


def trouble(error: sqlite3.Error) -> Trouble:
    """Which kind of trouble `error` is."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return Trouble.BUG
    if code & 0xFF == sqlite3.SQLITE_FULL:
        return Trouble.FULL
    if code & 0xFF in _CORRUPT or code in _UNREADABLE:
        return Trouble.CORRUPT
    return Trouble.IO if code & 0xFF in _IO else Trouble.BUG


def connect(path: Path) -> sqlite3.Connection:
    """A plain connection for its owner alone, no implicit transactions, usable from the thread that has it at the time."""
    _make_private(path)
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)


def _make_private(path: Path) -> None:
    """Mode 0600 for a database and what lies beside it, before the first byte is written; SQLite gives its log the same mode.

    A file that is there is not opened for it: closing any descriptor of it would drop the locks of other connections
    (sqlite.org/howtocorrupt.html, 2.2). Where it cannot be done, SQLite says why when it opens the file.
    """
    with suppress(OSError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE))
    for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        with suppress(OSError):
            mode = file.lstat().st_mode
            if stat.S_ISREG(mode) and stat.S_IMODE(mode) & ~PRIVATE:
                file.chmod(PRIVATE)


def prepare(conn: sqlite3.Connection, max_bytes: int) -> None:
    """Settings of the writer's connection; `max_bytes`: backstop for the size of the file.

    Raises:
        sqlite3.Error: not a database, damaged, or not writable.
    """
    mode = conn.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode != "wal":
        raise InternalError(f"SQLite gave journal mode {mode!r} where WAL was asked")
    page = conn.execute("PRAGMA page_size").fetchone()[0]
    for pragma in (
        "synchronous=FULL",
        "secure_delete=OFF",
        "cell_size_check=ON",
        "trusted_schema=OFF",
        "temp_store=MEMORY",
        "cache_size=-2000",
        "wal_autocheckpoint=1000",
        "journal_size_limit=8000000",
        f"max_page_count={(max_bytes + max_bytes // 4 + 16_000_000) // page}",
    ):
        conn.execute(f"PRAGMA {pragma}").fetchall()


def create_tables(conn: sqlite3.Connection) -> None:
    """Make the tables of an empty database, in the transaction of the caller."""
    for statement in TABLES.split(";"):
        if statement.strip():
            conn.execute(statement)
    conn.execute(f"PRAGMA user_version={SCHEMA}")


@contextmanager
def transaction(conn: sqlite3.Connection) -> Iterator[None]:
    """All or nothing. After an error the transaction is rolled back; the error is the caller's."""
    if conn.in_transaction:
        conn.execute("ROLLBACK")  # an earlier one could not be rolled back
    conn.execute("BEGIN IMMEDIATE")
    try:
        yield
        conn.execute("COMMIT")
    except BaseException:
        if conn.in_transaction:
            conn.execute("ROLLBACK")
        raise


def get_meta(conn: sqlite3.Connection, key: str) -> str | None:
    """A value of the meta table."""
    row = conn.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def set_meta(conn: sqlite3.Connection, key: str, value: str) -> None:
    """Write a value of the meta table, in the transaction of the caller."""
    conn.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

"""CommandJournal: what was asked and what became of it, on SQLite; a row is on the disk when `save` returns (design 7: WAL,
`synchronous=FULL`). Used by one thread at a time.

It always opens: a file that is damaged is set aside under another name, and said. What was in doubt in it stays unknown.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import msgspec

from rt_edge.commands.command import Row
from rt_edge.data.clock import Clock
from rt_edge.data.errors import RtEdgeError, TransientError
from rt_edge.spool.database import Trouble, connect, prepare, transaction, trouble

SCHEMA = 1
MAX_BYTES = 64_000_000
TRIM_EVERY = 256
"""Rows saved between two looks for what is too old or too many."""

TABLE = """CREATE TABLE IF NOT EXISTS command(number INTEGER PRIMARY KEY, phase TEXT NOT NULL, ended INTEGER NOT NULL,
    body BLOB NOT NULL)"""


class CommandJournal:
    """The commands of one adapter.

    Args:
        path: of the database; its folder exists.
        clock: for the age of rows.
        keep: ended commands kept, at most.
        keep_s: and for how many seconds.

    Attributes:
        rows: what was there when it was opened, in order of arrival.
        problem: what was wrong with the file, in words; empty if nothing was.

    Raises:
        TransientError: it cannot be opened now.
    """

    def __init__(self, path: Path, clock: Clock, keep: int = 4096, keep_s: float = 86_400.0) -> None:
        self._path, self._clock = path, clock
        self._keep, self._keep_s = keep, keep_s
        self._saved = 0
        self.problem = ""
        self.rows: list[Row] = []
        self._decoder = msgspec.msgpack.Decoder(Row)
        try:
            self._conn = self._open()
        except (sqlite3.DatabaseError, msgspec.MsgspecError, RtEdgeError) as error:
            if isinstance(error, sqlite3.Error) and trouble(error) not in (Trouble.CORRUPT, Trouble.BUG):
                raise TransientError(f"{path} cannot be opened: {error}", "is the disk there, and writable?") from error
            self._set_aside(error)
            self._conn = self._open()

    def _open(self) -> sqlite3.Connection:
        conn = connect(self._path)
        try:
            prepare(conn, MAX_BYTES)
            version = conn.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA:
                raise TransientError(f"it was written by a newer version (schema {version})")
            with transaction(conn):
                conn.execute(TABLE)
                conn.execute(f"PRAGMA user_version={SCHEMA}")
            self._trim(conn)
            self.rows = [self._decoder.decode(body) for (body,) in conn.execute("SELECT body FROM command ORDER BY number")]
        except BaseException:
            conn.close()
            raise
        return conn

    def _set_aside(self, error: Exception) -> None:
        number = 1
        while (aside := self._path.with_name(f"{self._path.name}.damaged-{number}")).exists():
            number += 1
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                self._path.with_name(self._path.name + suffix).rename(aside.with_name(aside.name + suffix))
        self._path.rename(aside)
        self.problem = f"{self._path.name} could not be read and was set aside as {aside.name}: {error}"

    def save(self, rows: Sequence[Row]) -> None:
        """Write rows, all or none, and return when they are on the disk.

        Raises:
            TransientError: they are not.
        """
        try:
            with transaction(self._conn):
                self._conn.executemany(
                    "INSERT OR REPLACE INTO command VALUES (?, ?, ?, ?)",
                    [(row.number, row.phase, row.ended, msgspec.msgpack.encode(row)) for row in rows],
                )
            self._saved += len(rows)
            if self._saved >= TRIM_EVERY:
                self._saved = 0
                self._trim(self._conn)
        except sqlite3.Error as error:
            raise TransientError(f"{self._path.name}: {error}") from error

    def _trim(self, conn: sqlite3.Connection) -> None:
        """Leave out what has ended and is too old, or too many; never what has not ended."""
        oldest = self._clock.wall_ns() - int(self._keep_s * 1e9)
        with transaction(conn):
            conn.execute("DELETE FROM command WHERE phase = 'ended' AND ended < ?", (oldest,))
            conn.execute(
                "DELETE FROM command WHERE phase = 'ended' AND number <="
                " (SELECT number FROM command WHERE phase = 'ended' ORDER BY number DESC LIMIT 1 OFFSET ?)",
                (self._keep,),
            )

    def close(self) -> None:
        """Let go of the file."""
        self._conn.close()

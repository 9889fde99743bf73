"""SqliteStore: records of all lanes in one SQLite file, each lane's position in the same transaction as its data.

A commit is a compare-and-set on (lane, position, session) inside `BEGIN IMMEDIATE`, so several processes of one host may share
the file: a node that was paused while another took over cannot commit any more.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from rt_edge.data.clock import Clock
from rt_edge.data.errors import RefusedError, RtEdgeError
from rt_edge.data.record import LaneId, PositionConflict, Record, RecordKind
from rt_edge.spool.database import Connect, Trouble, connect, transaction, trouble
from rt_edge.uplink.stores.errors import StoreIoError, StoreUnusable
from rt_edge.uplink.stores.tables import SCHEMA, TABLES, check_version, key, span

T = TypeVar("T")
_PRAGMAS = (
    "synchronous=FULL",
    "secure_delete=OFF",
    "cell_size_check=ON",
    "trusted_schema=OFF",
    "temp_store=MEMORY",
    "cache_size=-8000",
    "wal_autocheckpoint=1000",
    "journal_size_limit=16000000",
)


class SqliteStore:
    """The embedded store; implements `rt_edge.data.record.Store`.

    Args:
        path: the file; made with its folder if it is not there.
        clock: for the time of receipt.
        connect: makes connections; the seam for tests.

    Attributes:
        unreadable: records committed in this life whose payload could not be read; they are kept as they are.

    Raises:
        StoreUnusable: the folder cannot be written; the file is damaged, foreign or newer.
        StoreIoError: the disk refuses now.
    """

    def __init__(self, path: Path, clock: Clock, connect: Connect = connect) -> None:
        self.unreadable = 0
        self._path = path
        self._clock = clock
        self._conn: sqlite3.Connection | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StoreUnusable(f"{path.parent} cannot be made: {error.strerror}", "check the data directory") from error
        conn: sqlite3.Connection | None = None
        try:
            conn = connect(path)
            self._store_id = self._prepare(conn)
        except BaseException as error:
            if conn is not None:
                conn.close()
            if isinstance(error, sqlite3.Error):
                raise self._failed(error) from error
            raise
        self._conn = conn

    def _prepare(self, conn: sqlite3.Connection) -> str:
        version = check_version(conn, self._path)
        conn.execute("PRAGMA journal_mode=WAL").fetchall()
        for pragma in _PRAGMAS:
            conn.execute(f"PRAGMA {pragma}").fetchall()
        if version == 0:
            with transaction(conn):
                if check_version(conn, self._path) == 0:  # another process may have been quicker
                    for table in TABLES:
                        conn.execute(table)
                    conn.execute(f"PRAGMA user_version={SCHEMA}")
                    conn.execute("INSERT INTO meta VALUES ('store_id', ?)", (secrets.token_hex(16),))
        return str(conn.execute("SELECT value FROM meta WHERE key = 'store_id'").fetchone()[0])

    @property
    def store_id(self) -> str:
        """Random id made with the store."""
        return self._store_id

    def position(self, lane: LaneId) -> int:
        """The last number committed, 0 for a lane never seen."""
        row = self._run(lambda conn: self._lane(conn, lane))
        return 0 if row is None else int(row[1])

    def checksum(self, lane: LaneId) -> int | None:
        """The checksum given with the commit that reached the position; 0 for a lane never seen, None if none was given."""
        row = self._run(lambda conn: self._lane(conn, lane))
        return 0 if row is None else row[3]

    def open_session(self, lane: LaneId, session: str) -> int:
        """From now on only `session` may commit to `lane`; returns the position.

        Raises:
            StoreIoError: the disk refuses now.
        """

        def work(conn: sqlite3.Connection) -> int:
            with transaction(conn):
                columns = (lane.node, lane.route, lane.lane, lane.epoch, session, self._clock.wall_ns())
                conn.execute(
                    "INSERT INTO lane (node, route, lane, epoch, session, opened_at) VALUES (?, ?, ?, ?, ?, ?)"
                    " ON CONFLICT (node, route, lane, epoch) DO UPDATE SET session = excluded.session",
                    columns,
                )
                row = self._lane(conn, lane)
            assert row is not None
            return int(row[1])

        return self._run(work)

    def commit(self, lane: LaneId, session: str, first: int, batch: list[Record], checksum: int | None = None) -> int:
        """Keep `batch` and move the position, in one transaction; returns the new position.

        Args:
            lane: which.
            session: the one that `open_session` named last.
            first: number of the first record.
            batch: records without a gap between them; an empty one only checks.
            checksum: the running checksum after the batch; kept with the position.

        Raises:
            PositionConflict: `first` is not position + 1, the batch has a gap, or `session` is not the lane's.
            StoreIoError: the disk refuses now; nothing was kept.
        """
        following = first
        for record in batch:
            if record.first != following or record.last < record.first:
                raise PositionConflict(f"{lane}: {record.first}..{record.last} where {following} should follow")
            following = record.last + 1
        now = self._clock.wall_ns()
        spans = [span(record) for record in batch]

        def work(conn: sqlite3.Connection) -> int:
            with transaction(conn):
                row = self._lane(conn, lane)
                if row is None or row[2] != session:
                    raise PositionConflict(f"{lane}: session {session} is not the lane's", "another node or session took over")
                if first != row[1] + 1:
                    raise PositionConflict(f"{lane}: a batch from {first} on, the position is {row[1]}")
                if not batch:
                    return int(row[1])
                conn.executemany(
                    "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    [
                        (key(row[0], r.last), r.first, int(r.kind), r.count, *times, now, r.payload)
                        for r, times in zip(batch, spans, strict=True)
                    ],
                )
                conn.execute("UPDATE lane SET position = ?, checksum = ? WHERE id = ?", (following - 1, checksum, row[0]))
            return following - 1

        position = self._run(work)
        self.unreadable += sum(r.kind is RecordKind.DATA and times == (None, None) for r, times in zip(batch, spans, strict=True))
        return position

    def read(self, lane: LaneId, first: int, last: int, max_bytes: int) -> list[Record]:
        """The stored records that lie within first..last, in order, until there are `max_bytes` of payload (at least one).

        Raises:
            StoreIoError: the disk refuses now.
        """

        def work(conn: sqlite3.Connection) -> list[Record]:
            row = self._lane(conn, lane)
            if row is None:
                return []
            found: list[Record] = []
            size = 0
            query = "SELECT at, first, kind, count, payload FROM record WHERE at BETWEEN ? AND ? AND first >= ? ORDER BY at"
            for at, start, kind, count, payload in conn.execute(query, (key(row[0], first), key(row[0], last), first)):
                if found and size >= max_bytes:
                    break
                found.append(Record(start, at - key(row[0], 0), RecordKind(kind), count, payload))
                size += len(payload)
            return found

        return self._run(work)

    def close(self) -> None:
        """Release it; idempotent."""
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()

    def _lane(self, conn: sqlite3.Connection, lane: LaneId) -> tuple[int, int, str, int | None] | None:
        columns = "SELECT id, position, session, checksum FROM lane WHERE node = ? AND route = ? AND lane = ? AND epoch = ?"
        row: tuple[int, int, str, int | None] | None = conn.execute(
            columns, (lane.node, lane.route, lane.lane, lane.epoch)
        ).fetchone()
        return row

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._conn is None:
            raise RefusedError(f"the store {self._path.name} is closed")
        try:
            return work(self._conn)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: sqlite3.Error) -> RtEdgeError:
        kind = trouble(error)
        if kind is Trouble.FULL:
            return StoreIoError(f"the disk under {self._path} is full", "make room; delivery goes on by itself")
        if kind is Trouble.IO:
            return StoreIoError(f"{self._path}: {error}")
        return StoreUnusable(f"{self._path} cannot be used: {error}", "restore it from a backup, or name another file")

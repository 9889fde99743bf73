"""SpoolFile: the open database of a spool with all that is kept of it in memory, and what to do when it fails.

Whatever SQLite raises becomes one of our errors here. Damage found while working is healed on the spot: the file is rebuilt,
lanes are sealed, a gap record goes into the new lane, and the caller gets `SpoolRecovered`.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rt_edge.data.errors import InternalError, RefusedError, RtEdgeError
from rt_edge.data.ids import new_epoch
from rt_edge.data.record import Gap, RecordKind
from rt_edge.spool.database import ROW_COST, SEQ_MASK, Trouble, get_meta, set_meta, transaction, trouble
from rt_edge.spool.disk import Reserve
from rt_edge.spool.errors import MAKE_ROOM, SpoolFull, SpoolIoError, SpoolRecovered
from rt_edge.spool.intake import Intake
from rt_edge.spool.lanes import Lane, LaneTable
from rt_edge.spool.memory import DeadLetterTable, IntakeTable
from rt_edge.spool.opening import Finding, Opener
from rt_edge.spool.pending import MAIN, Pending
from rt_edge.spool.rows import INSERT, STORED, Row, bury, make_row

log = logging.getLogger(__name__)

T = TypeVar("T")
MAX_FINDINGS = 100


class SpoolFile:
    """An open spool database.

    Args:
        opener: opens and rebuilds it.
        node: id of this node.
        route: name of the uplink.
        reserve: given up when the disk is full.
        floor: free bytes above which the reserve is taken again.
    """

    def __init__(self, opener: Opener, node: str, route: str, reserve: Reserve, floor: int) -> None:
        self.opener = opener
        self.clock = opener.clock
        self.node = node
        self.route = route
        self.reserve = reserve
        self.floor = floor
        self.lanes = LaneTable()
        self.intake = Intake()
        self.intake_table = IntakeTable()
        self.dead_letters = DeadLetterTable()
        self.findings: list[Finding] = []
        self._conn: sqlite3.Connection | None = None
        self._dirty = False
        self._closed = False
        self.page_size = 4096
        self._take(None)

    @property
    def conn(self) -> sqlite3.Connection:
        """The connection; made anew if the last attempt to rebuild or reopen had failed.

        Raises:
            RefusedError: it is closed.
            SpoolIoError: the disk still refuses.
        """
        if self._conn is None and not self._closed:
            self._take(None)
        if self._conn is None:
            raise RefusedError(f"the spool {self.opener.files.db.name} is closed")
        return self._conn

    @property
    def name(self) -> str:
        """File name, for messages."""
        return self.opener.files.db.name

    # -- opening and closing -----------------------------------------------------------------------------------------

    def _take(self, damage: str | None) -> None:
        """Open the database, or rebuild it from the damaged one."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None
        opened = self._with_reserve(self.opener.open if damage is None else lambda: self.opener.rebuild(str(damage), []))
        self._conn, self._dirty = opened.conn, False
        self.intake, self.intake_table, self.dead_letters = Intake(), IntakeTable(), DeadLetterTable()
        try:
            self.page_size = int(opened.conn.execute("PRAGMA page_size").fetchone()[0])
            self.lanes.load(opened.conn, opened.counted)
            self.intake_table.load(opened.conn, self.intake)
            self.dead_letters.load(opened.conn)
            self._with_reserve(lambda: self._greet(opened.found))
        except sqlite3.Error as error:
            if trouble(error) is Trouble.CORRUPT and damage is None:
                self._take(str(error))
                return
            self._conn.close()
            self._conn = None
            raise SpoolIoError(f"{self.name} cannot be opened: {error}") from error
        self.reserve.take(self.floor)

    def _greet(self, found: list[Finding]) -> None:
        """Say in the stream what was found; a spool of another node or route goes on under new epochs."""
        conn = self.conn
        was = (get_meta(conn, "node"), get_meta(conn, "route"))
        ours = (self.node, self.route)
        done = [lane for lane in self.lanes.all if lane.sealed and lane.confirmed == lane.last]
        if was == ours and not found and not done and self.lanes.open_lane(MAIN) is not None:
            return
        moved = was not in (ours, (None, None))
        if moved:
            found = [*found, Finding("spool_moved", f"the spool was written as {was[0]}/{was[1]}")]
        epochs = {lane: new_epoch() for lane in self.lanes.all} if moved else {}
        rows: list[Row] = []
        with self.transaction():
            set_meta(conn, "node", self.node)
            set_meta(conn, "route", self.route)
            for lane, epoch in epochs.items():
                conn.execute("UPDATE lane SET epoch = ?, base = confirmed WHERE id = ?", (epoch, lane.id))
            conn.executemany("DELETE FROM lane WHERE id = ?", [(lane.id,) for lane in done])
            if found:
                conn.execute("UPDATE lane SET sealed = 1")
            old = None if found else self.lanes.open_lane(MAIN)
            fresh = old or self.lanes.create(conn, MAIN)
            rows = [self._gap_row(fresh, place, finding.reason) for place, finding in enumerate(found, 1)]
            conn.executemany(INSERT, rows)
        self.lanes.all = [lane for lane in self.lanes.all if lane not in done]
        for lane in self.lanes.all:
            lane.sealed = lane.sealed or bool(found)
            if lane in epochs:
                lane.epoch, lane.base = epochs[lane], lane.deleted
        if old is None:
            self.lanes.adopt(fresh)
        for row in rows:
            self.grow(fresh, row)
        self.findings = [*self.findings, *found][-MAX_FINDINGS:]
        self.opener.said()

    def _gap_row(self, lane: Lane, seq: int, reason: str) -> Row:
        now = self.clock.wall_ns()
        gap = Pending.gap(Gap(self.route, reason, 0, now))
        return make_row(lane, seq, seq, RecordKind.GAP, 0, gap.payload, now)

    def grow(self, lane: Lane, row: Row) -> None:
        """Count a row that is on disk now."""
        lane.last = row[0] & SEQ_MASK
        lane.records += 1
        lane.bytes += len(row[6]) + ROW_COST
        lane.readings += row[3] if row[2] == RecordKind.DATA else 0

    def renumber(self, lane: Lane, epoch: bytes, gap: Gap, stored: Sequence[tuple[int, int]]) -> None:
        """Unconfirmed records go on as 1, 2, 3 ... under a new epoch, with a gap record after them that says why.

        Args:
            lane: which.
            epoch: the new one.
            gap: what the record says.
            stored: ranges of `seq` that the peer has: they count as confirmed, or become tombstones that count nothing.
        """
        conn, now, confirmed = self.conn, self.clock.wall_ns(), lane.confirmed
        islands = []
        for first, last in sorted(stored):
            if first <= confirmed + 1:
                confirmed = max(confirmed, min(last, lane.last))
            elif last <= lane.last:
                islands.append((first, last))
        row = make_row(lane, lane.last + 1, lane.last + 1, RecordKind.GAP, 0, Pending.gap(gap).payload, now)
        with self.transaction():
            conn.execute("DELETE FROM record WHERE at > ? AND at <= ?", (lane.key(0), lane.key(confirmed)))
            for first, last in islands:
                bury(conn, lane, first, last, 0, now, STORED)
            query = "UPDATE lane SET epoch = ?, base = ?, confirmed = ?, checksum = 0 WHERE id = ?"
            conn.execute(query, (epoch, confirmed, confirmed, lane.id))
            conn.execute(INSERT, row)
        lane.epoch, lane.checksum, lane.freed = epoch, 0, 0
        lane.base = lane.confirmed = lane.deleted = lane.sent = confirmed
        lane.last += 1
        lane.records, lane.readings, lane.bytes = lane.count(conn, lane.confirmed, lane.last)

    def close(self) -> None:
        """Delete what is confirmed, write the counters, checkpoint; idempotent."""
        conn, self._closed = self._conn, True
        if conn is None:
            return
        try:
            with self.transaction():
                self.delete_confirmed(self.lanes.all)
                self.lanes.save_counters(conn)
                set_meta(conn, "clean", "1")
        except sqlite3.Error:
            self.findings.append(Finding("spool_close", "the counters could not be written; the next start counts the rows"))
        finally:
            self._conn = None
            conn.close()

    # -- transactions ------------------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; the first one also notes that the file is in use, and in which boot."""
        with transaction(self.conn):
            if not self._dirty:
                set_meta(self.conn, "clean", "0")
                set_meta(self.conn, "boot", self.opener.boot)
            yield
        self._dirty = True

    def delete_confirmed(self, lanes: list[Lane]) -> None:
        """Delete the confirmed rows of `lanes` and write their cursors, in the transaction of the caller; then `deleted`."""
        for lane in lanes:
            self.conn.execute("DELETE FROM record WHERE at > ? AND at <= ?", (lane.key(0), lane.key(lane.confirmed)))
            self.conn.execute(
                "UPDATE lane SET confirmed = ?, checksum = ? WHERE id = ?", (lane.confirmed, lane.checksum, lane.id)
            )

    def deleted(self, lanes: list[Lane]) -> None:
        """The rows that `delete_confirmed` deleted are gone."""
        for lane in lanes:
            lane.deleted, lane.freed = lane.confirmed, 0

    def trim(self) -> None:
        """Delete all confirmed rows now.

        Raises:
            RtEdgeError: see `failed`.
        """
        lanes = [lane for lane in self.lanes.all if lane.confirmed > lane.deleted]
        if not lanes:
            return

        def work() -> None:
            with self.transaction():
                self.delete_confirmed(lanes)

        try:
            self._with_reserve(work)
        except sqlite3.Error as error:
            raise self.failed(error) from error
        self.deleted(lanes)
        self.reserve.take(self.floor)

    # -- trouble -----------------------------------------------------------------------------------------------------

    def _with_reserve(self, work: Callable[[], T]) -> T:
        """Do it; on a full disk give up the reserve and do it once more."""
        try:
            return work()
        except (sqlite3.Error, SpoolIoError) as error:
            cause = error.__cause__ if isinstance(error, SpoolIoError) else error
            known = isinstance(cause, sqlite3.Error) and trouble(cause) in (Trouble.FULL, Trouble.IO)
            if not known or not self.relieve():
                raise
        return work()

    def relieve(self) -> bool:
        """The disk is full: turn the reserve into room for deleting. Returns whether there was a reserve.

        With its space the log is moved into the database, which may have to grow for it; then the log's own space is there
        to be written again, and neither deleting nor appending into deleted rows needs more.
        """
        if not self.reserve.give_up():
            return False
        if self._conn is not None and not self._conn.in_transaction:
            try:
                self._conn.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
            except sqlite3.Error as error:
                log.warning("spool %s: the log could not be moved with the reserve's space: %s", self.name, error)
        return True

    def failed(self, error: sqlite3.Error) -> RtEdgeError:
        """What the caller should raise for `error`; on damage, the file is rebuilt first."""
        kind = trouble(error)
        if kind is Trouble.CORRUPT:
            self._take(str(error))
            return SpoolRecovered(f"{self.name} was damaged ({error})", "it was rebuilt; open the session again")
        if self._conn is not None and self._conn.in_transaction:
            self._take(None)  # the rollback failed, too: begin again with what is on disk
        if kind is Trouble.FULL:
            return SpoolFull(f"the spool {self.name}: the disk is full", MAKE_ROOM)
        if kind is Trouble.IO:
            return SpoolIoError(f"{self.name}: {error}")
        return InternalError(f"{self.name}: {error}")

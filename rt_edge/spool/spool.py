"""Spool: records of one uplink on disk, numbered without gaps, kept until they are confirmed.

Synchronous; called from one thread at a time (`SpoolWorker` has one for it). A commit is durable when `append` returns. What is
in memory (cursors, counters, what the intake knows) changes only after the transaction that it belongs to.

Confirming moves a cursor in memory; rows are deleted, and the cursor written, in steps of an eighth of the quota or 4 MB. After a
kill the cursor may be older than what was confirmed: the peer's position in the handshake brings it forward again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from rt_edge.data.clock import Clock
from rt_edge.data.errors import InternalError, RefusedError
from rt_edge.data.ids import boot_id, new_incarnation
from rt_edge.data.record import MAX_RECORD, Gap, LaneId, Record
from rt_edge.spool.database import ROW_COST, Connect, Trouble, connect, get_meta, set_meta, trouble
from rt_edge.spool.disk import Disk, Reserve, SystemDisk
from rt_edge.spool.errors import MAKE_ROOM, SpoolFull, SpoolUnusable
from rt_edge.spool.files import Files
from rt_edge.spool.intake import Intake
from rt_edge.spool.lanes import Lane, LaneState
from rt_edge.spool.listing import Listing
from rt_edge.spool.lock import Lock
from rt_edge.spool.opening import CHECK_LIMIT, Opener
from rt_edge.spool.pending import MAIN, DeadLetter, Depth, Pending
from rt_edge.spool.quota import Quota, WhenFull
from rt_edge.spool.room import Room
from rt_edge.spool.rows import INSERT, Drop, Row, bury, execute_drop, make_row, read_rows
from rt_edge.spool.spoolfile import SpoolFile

FREE_FLOOR = 64_000_000
RESERVE = 12_000_000
"""Three times the write-ahead log at its usual size: to move the log, and to write what a deletion writes."""
REPAIRS = 1000
"""Unreadable stretches that one `read` buries before it gives up."""


class Spool:
    """Store-and-forward of one uplink; made by `Spool.open`.

    Attributes:
        dropped: reason -> readings that were replaced by tombstones in this life.
        on_room: called in the calling thread when there is room again after a SpoolFull.
    """

    def __init__(self, file: SpoolFile, lock: Lock, quota: Quota, when_full: WhenFull, disk: Disk) -> None:
        self.dropped: dict[str, int] = {}
        self.on_room: list[Callable[[], None]] = []
        self._file = file
        self._lock = lock
        self._when_full = when_full
        self._room = Room(file, quota, when_full, disk)

    @classmethod
    def open(
        cls,
        path: Path,
        node: str,
        route: str,
        clock: Clock,
        max_bytes: int,
        when_full: WhenFull = "block",
        *,
        free_floor: int = FREE_FLOOR,
        reserve: int = RESERVE,
        disk: Disk | None = None,
        connect: Connect = connect,
        boot: str | None = None,
        check_limit: int = CHECK_LIMIT,
    ) -> Spool:
        """Open the spool at `path`, after anything.

        Args:
            path: the database file; its folder is made if it is not there.
            node: id of this node.
            route: name of the uplink.
            clock: time.
            max_bytes: quota, payload and overhead.
            when_full: `block` or `drop_oldest`.
            free_floor: bytes of the file system that are left to others.
            reserve: bytes preallocated to be able to delete on a full disk; 0: none.
            disk: facts about the file system.
            connect: makes connections.
            boot: id of this boot of the machine.
            check_limit: bytes of the largest file that is checked after a power cut.

        Raises:
            ConfigError: `max_bytes` is too small.
            SpoolInUse: another process has it.
            SpoolUnusable: the folder cannot be written.
            SpoolIoError: the disk refuses now.
        """
        quota = Quota(max_bytes, free_floor)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise SpoolUnusable(f"{path.parent} cannot be made: {error.strerror}", "check the data directory") from error
        files, disk = Files(path), disk or SystemDisk()
        lock = Lock(files.lock, new_incarnation())
        try:
            opener = Opener(files, connect, clock, boot or boot_id(), max_bytes, check_limit)
            file = SpoolFile(opener, node, route, Reserve(files.reserve, reserve, disk), free_floor)
            return cls(file, lock, quota, when_full, disk)
        except BaseException:
            lock.release()
            raise

    def close(self) -> None:
        """Close cleanly: the next start need not count or check; idempotent."""
        self._file.close()
        self._lock.release()

    # -- writing -----------------------------------------------------------------------------------------------------

    @property
    def intake(self) -> Intake:
        """What was stored already, by origin: `admit` before `append`, same thread. Another object after SpoolRecovered."""
        return self._file.intake

    def append(self, batch: Sequence[Pending], dead: Sequence[DeadLetter] = ()) -> list[int]:
        """Keep `batch`, what `intake` has staged, and `dead`, in one transaction; returns each record's number in its lane.

        After any error nothing of it was kept and nothing is staged any more.

        Raises:
            SpoolFull: no room.
            SpoolIoError: the disk refuses.
            SpoolRecovered: the file was damaged and has been rebuilt; admit and append again.
            RefusedError: a record is larger than `MAX_RECORD`, or the batch larger than half the quota.
        """
        file, intake = self._file, self._file.intake
        now = file.clock.wall_ns()
        try:
            need = sum(len(pending.payload) + ROW_COST for pending in batch)
            if need > self._room.quota.max_bytes // 2 or any(len(pending.payload) > MAX_RECORD for pending in batch):
                raise RefusedError(f"a batch of {need} bytes does not fit into this spool", "cut it into smaller batches")
            drops = self._room.make(need, batch[0].lane) if batch else []
            fresh: dict[str, Lane] = {}
            with file.transaction():
                for drop in drops:
                    execute_drop(file.conn, drop, now)
                rows = self._rows(batch, fresh, now)
                file.conn.executemany(INSERT, [row for _, row in rows])
                file.intake_table.write(file.conn, intake)
                letters = file.dead_letters.write(file.conn, dead, now)
        except sqlite3.Error as error:
            intake.rollback()
            failure = file.failed(error)
            if isinstance(failure, SpoolFull):
                file.relieve()
                self._room.quota.refuse(need, "the disk is full")
            raise failure from error
        except BaseException:
            intake.rollback()
            raise
        intake.commit()
        file.intake_table.committed()
        file.dead_letters.count = letters
        return self._appended(drops, fresh, rows)

    def _rows(self, batch: Sequence[Pending], fresh: dict[str, Lane], now: int) -> list[tuple[Lane, Row]]:
        rows: list[tuple[Lane, Row]] = []
        following: dict[int, int] = {}
        for pending in batch:
            lane = fresh.get(pending.lane) or self._file.lanes.open_lane(pending.lane)
            if lane is None:
                lane = fresh[pending.lane] = self._file.lanes.create(self._file.conn, pending.lane)
            seq = following.get(lane.id, lane.last) + 1
            following[lane.id] = seq
            rows.append((lane, make_row(lane, seq, seq, pending.kind, pending.count, pending.payload, now)))
        return rows

    def _appended(self, drops: list[Drop], fresh: dict[str, Lane], rows: list[tuple[Lane, Row]]) -> list[int]:
        for drop in drops:
            lane = drop.lane
            lane.records -= drop.records + drop.absorbed - 1
            lane.readings -= drop.readings
            lane.bytes -= drop.bytes
            self.dropped[self._when_full] = self.dropped.get(self._when_full, 0) + drop.readings
        for lane in fresh.values():
            self._file.lanes.adopt(lane)
        numbers = []
        for lane, row in rows:
            self._file.grow(lane, row)
            numbers.append(lane.last - lane.base)
        return numbers

    def gap(self, source: str, reason: str, start: int, end: int, lane: str = MAIN) -> int:
        """Append a gap record: `source` could not be read from `start` to `end` (wall ns); returns its number.

        Raises:
            RtEdgeError: as `append`.
        """
        return self.append([Pending.gap(Gap(source, reason, start, end), lane)])[0]

    # -- reading and confirming --------------------------------------------------------------------------------------

    def lane(self, name: str = MAIN) -> LaneId:
        """The id of the lane of this name that takes records now; it is made if it is not there by the first `append`."""
        lane = self._file.lanes.open_lane(name)
        if lane is None:
            raise RefusedError(f"the spool {self._file.name} has no lane {name!r}")
        return LaneId(self._file.node, self._file.route, lane.name, lane.epoch)

    def lanes(self) -> list[LaneState]:
        """All lanes, in the order in which they should be drained: sealed ones first, then by age."""
        lanes = sorted(self._file.lanes.all, key=lambda lane: (not lane.sealed, lane.id))
        return [lane.state(self._file.node, self._file.route) for lane in lanes]

    def read(self, lane: LaneId, after: int, max_bytes: int, max_records: int = 1000) -> list[Record]:
        """The records of `lane` beyond number `after`, in order, without a gap, until there are `max_bytes` or `max_records`.

        What was read may not be dropped any more (see `sent_through`). What turns out to be unreadable becomes a tombstone
        here, on disk, too. A tombstone that begins before `after` is cut.

        Raises:
            RefusedError: no such lane, or records beyond `after` were confirmed and are gone.
            SpoolIoError: the disk refuses.
            SpoolRecovered: the file was damaged and has been rebuilt.
        """
        file = self._file
        one = file.lanes.find(lane)
        start = one.base + max(after, 0)
        if start < one.deleted:
            raise RefusedError(
                f"{lane}: records beyond {after} are asked, but {one.deleted - one.base} were confirmed",
                "the peer has lost what it had confirmed: open the session again",
            )
        try:
            for _ in range(REPAIRS):
                found = read_rows(file.conn, one, start, max_bytes, max_records)
                if found.records or found.broken is None:
                    if found.records:
                        one.sent = max(one.sent, found.records[-1].last + one.base)
                    return found.records
                first, last, readings = found.broken
                with file.transaction():
                    bury(file.conn, one, first, last, readings, file.clock.wall_ns())
                self.dropped["unreadable"] = self.dropped.get("unreadable", 0) + readings
                one.records, one.readings, one.bytes = one.count(file.conn, one.confirmed, one.last)
        except sqlite3.Error as error:
            raise file.failed(error) from error
        raise InternalError(f"{lane}: more than {REPAIRS} unreadable stretches in a row")

    def sent_through(self, lane: LaneId, number: int) -> None:
        """Records up to `number` may have reached the peer and may not be dropped; goes down when the peer says it has less."""
        one = self._file.lanes.find(lane)
        one.sent = min(max(one.base + number, one.confirmed), one.last)

    def confirm(self, lane: LaneId, number: int, checksum: int | None = None) -> None:
        """The peer has everything up to `number`; older confirmations are ignored.

        Args:
            lane: which.
            number: cumulative.
            checksum: the delivery protocol's running checksum there; kept beside the cursor.

        Raises:
            RefusedError: no such lane, or `number` was never written (a sealed lane takes it for its end).
            SpoolIoError: the disk refuses (the confirmation counts all the same).
            SpoolRecovered: the file was damaged and has been rebuilt.
        """
        file = self._file
        one = file.lanes.find(lane)
        seq = one.base + number
        if seq > one.last:
            if not one.sealed:
                raise RefusedError(
                    f"{lane}: {number} is confirmed, but {one.last - one.base} is the last written", "renumber the lane"
                )
            seq = one.last
        if seq > one.confirmed:
            try:
                records, readings, size = one.count(file.conn, one.confirmed, seq)
            except sqlite3.Error as error:
                raise file.failed(error) from error
            one.records -= records
            one.readings -= readings
            one.bytes -= size
            one.freed += size
            one.confirmed, one.checksum = seq, checksum
            one.sent = max(one.sent, seq)
        self.look_for_room()
        if file.lanes.freed >= self._room.quota.step:
            file.trim()

    def look_for_room(self) -> bool:
        """After a SpoolFull: whether the refused batch fits by now; tells `on_room` if it does. Costs no encoding.

        Confirmations look by themselves; this is for room that nobody announces, as when others delete files.

        Raises:
            SpoolIoError: the disk refuses.
            SpoolRecovered: the file was damaged and has been rebuilt.
        """
        if not self._room.quota.wanted:
            return True
        try:
            if not self._room.again():
                return False
        except sqlite3.Error as error:
            raise self._file.failed(error) from error
        for call in list(self.on_room):
            call()
        return True

    def trim(self) -> None:
        """Delete what is confirmed now, without waiting for a full step.

        Raises:
            RtEdgeError: as `confirm`.
        """
        self._file.trim()

    def renumber(self, lane: LaneId, epoch: bytes, gap: Gap, stored: Sequence[tuple[int, int]] = ()) -> LaneState:
        """Give the unconfirmed records of `lane` new numbers from 1 under a new epoch, in one transaction (design 7).

        For a handshake whose numbers contradict: a card that lied, a restored image, a cloned card.

        Args:
            lane: which; gone afterwards.
            epoch: the new epoch.
            gap: becomes the last record, and says why.
            stored: ranges of numbers that the peer has already: forgotten, or replaced by tombstones that count nothing.

        Raises:
            RtEdgeError: as `confirm`.
        """
        one = self._file.lanes.find(lane)
        try:
            self._file.renumber(one, epoch, gap, [(first + one.base, last + one.base) for first, last in stored])
        except sqlite3.Error as error:
            raise self._file.failed(error) from error
        return one.state(self._file.node, self._file.route)

    @property
    def store_id(self) -> str:
        """The upstream store this uplink delivered to last, "" before the first (see `remember_store`)."""
        try:
            return get_meta(self._file.conn, "store") or ""
        except sqlite3.Error as error:
            raise self._file.failed(error) from error

    def remember_store(self, store_id: str) -> None:
        """Keep durably which store has the confirmed records.

        Raises:
            RtEdgeError: as `confirm`.
        """
        try:
            with self._file.transaction():
                set_meta(self._file.conn, "store", store_id)
        except sqlite3.Error as error:
            raise self._file.failed(error) from error

    # -- facts -------------------------------------------------------------------------------------------------------

    @property
    def full(self) -> bool:
        """Whether `append` refuses now."""
        return self._room.quota.wanted > 0

    @property
    def disk_trouble(self) -> str:
        """What is wrong with the disk, and what to do, while `append` refuses for that; empty otherwise."""
        disk = self._room.quota.disk if self.full else ""
        return f"{disk}; {MAKE_ROOM}" if disk else ""

    def depth(self) -> Depth:
        """How much waits; costs the same however much it is."""
        lanes = self._file.lanes.all
        oldest: list[int | None] = []
        try:
            oldest += [lane.oldest(self._file.conn) for lane in lanes if lane.records]
        except sqlite3.Error as error:
            if trouble(error) is not Trouble.IO:
                raise self._file.failed(error) from error
        return Depth(
            sum(lane.records for lane in lanes),
            sum(lane.readings for lane in lanes),
            self._file.lanes.used,
            min((at for at in oldest if at is not None), default=None),
            self.full,
        )

    def ls(self) -> Listing:
        """Everything a person may want to know of this spool."""
        file = self._file
        aside = [path.name for path in file.opener.files.broken()]
        findings = list(file.findings)
        return Listing(
            self.lanes(), self.depth(), findings, aside, file.dead_letters.count, dict(self.dropped), file.intake.repeated
        )

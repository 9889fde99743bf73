"""The lanes of a spool in memory: cursors and counters, kept equal to the rows on disk.

A row's number on disk (`seq`) never changes; what the world sees is `seq - base`, so that a lane is renumbered under a new epoch
by writing one row. A sealed lane takes no more records (what was salvaged of a damaged file): when all of it is
confirmed, it goes with the next start.
"""

from __future__ import annotations

import sqlite3

import msgspec

from rt_edge.data.errors import RefusedError
from rt_edge.data.ids import new_epoch
from rt_edge.data.record import LaneId
from rt_edge.spool.database import KEY_BITS, ROW_COST, SEQ_MASK

MAX_LANES = 64

COUNT = (
    "SELECT count(*), coalesce(sum(CASE kind WHEN 0 THEN count ELSE 0 END), 0),"
    " coalesce(sum(CASE kind WHEN 1 THEN 0 ELSE length(payload) + ? END), 0) FROM record WHERE at > ? AND at <= ?"
)
"""Records, readings and charged bytes (given the cost of a row) of a range of keys; tombstones are not charged."""

OLDEST = "SELECT stored_at FROM record WHERE at > ? AND at <= ? ORDER BY at LIMIT 1"


class LaneState(msgspec.Struct, frozen=True):
    """What a lane looks like from outside.

    Attributes:
        id: node, route, lane, epoch.
        confirmed: last number the peer has confirmed.
        last: last number written; 0 when nothing ever was.
        sealed: takes no new records; drain it before the open lane of the same name.
        checksum: what was given with the last confirmation; 0 for a new lane.
        records: unconfirmed records.
        readings: unconfirmed readings.
        bytes: unconfirmed payload, with overhead.
    """

    id: LaneId
    confirmed: int
    last: int
    sealed: bool
    checksum: int | None
    records: int
    readings: int
    bytes: int


class Lane:
    """One lane; numbers here are `seq`, as on disk.

    Attributes:
        confirmed: the cursor.
        sent: what may have reached the peer; not droppable.
        last: last number written.
        deleted: rows up to here are gone.
        freed: charged bytes of rows between `deleted` and `confirmed`.
    """

    __slots__ = (
        "base",
        "bytes",
        "checksum",
        "confirmed",
        "deleted",
        "epoch",
        "freed",
        "id",
        "last",
        "name",
        "readings",
        "records",
        "sealed",
        "sent",
    )

    def __init__(
        self, id_: int, name: str, epoch: bytes, base: int = 0, confirmed: int = 0, checksum: int | None = 0, sealed: bool = False
    ) -> None:
        self.id = id_
        self.name = name
        self.epoch = epoch
        self.base = base
        self.confirmed = confirmed
        self.checksum = checksum
        self.sealed = sealed
        self.sent = self.last = self.deleted = confirmed
        self.records = self.readings = self.bytes = self.freed = 0

    def key(self, seq: int) -> int:
        """The row key of a number."""
        return self.id << KEY_BITS | seq

    def count(self, conn: sqlite3.Connection, after: int, last: int) -> tuple[int, int, int]:
        """Records, readings and charged bytes in `after` < seq <= `last`."""
        records, readings, size = conn.execute(COUNT, (ROW_COST, self.key(after), self.key(last))).fetchone()
        return records, readings, size

    def oldest(self, conn: sqlite3.Connection) -> int | None:
        """When the first unconfirmed record was stored, wall ns; None: there is none."""
        row = conn.execute(OLDEST, (self.key(self.confirmed), self.key(self.last))).fetchone()
        return None if row is None else int(row[0])

    def state(self, node: str, route: str) -> LaneState:
        """What the world sees."""
        lane = LaneId(node, route, self.name, self.epoch)
        confirmed, last = self.confirmed - self.base, self.last - self.base
        return LaneState(lane, confirmed, last, self.sealed, self.checksum, self.records, self.readings, self.bytes)


class LaneTable:
    """All lanes of a spool, oldest first."""

    def __init__(self) -> None:
        self.all: list[Lane] = []

    def load(self, conn: sqlite3.Connection, counted: bool) -> None:
        """Read the lanes; `counted`: the counters on disk are right (clean close), else the rows are counted."""
        self.all = []
        for row in conn.execute(
            "SELECT id, name, epoch, base, confirmed, checksum, sealed, records, readings, bytes FROM lane ORDER BY id"
        ):
            lane = Lane(row[0], row[1], bytes(row[2]), row[3], row[4], row[5], bool(row[6]))
            top = conn.execute(
                "SELECT max(at) FROM record WHERE at > ? AND at <= ?", (lane.key(0), lane.key(SEQ_MASK))
            ).fetchone()[0]
            if top is not None:
                lane.last = max(lane.confirmed, top & SEQ_MASK)
            if counted:
                lane.records, lane.readings, lane.bytes = row[7:10]
            else:
                found = lane.count(conn, lane.confirmed, lane.last)
                lane.records, lane.readings, lane.bytes = found
            self.all.append(lane)

    def save_counters(self, conn: sqlite3.Connection) -> None:
        """Write the counters, in the transaction of a clean close."""
        conn.executemany(
            "UPDATE lane SET records = ?, readings = ?, bytes = ? WHERE id = ?",
            [(lane.records, lane.readings, lane.bytes, lane.id) for lane in self.all],
        )

    def open_lane(self, name: str) -> Lane | None:
        """The lane of this name that takes records."""
        return next((lane for lane in self.all if lane.name == name and not lane.sealed), None)

    def create(self, conn: sqlite3.Connection, name: str) -> Lane:
        """A new lane under a new epoch, in the transaction of the caller; not in `all` before the caller `adopt`s it."""
        if len(self.all) >= MAX_LANES:
            raise RefusedError(f"a spool has at most {MAX_LANES} lanes", f"lane {name!r} would be one more")
        epoch = new_epoch()
        cursor = conn.execute("INSERT INTO lane (name, epoch) VALUES (?, ?)", (name, epoch))
        assert cursor.lastrowid is not None
        return Lane(cursor.lastrowid, name, epoch)

    def adopt(self, lane: Lane) -> None:
        """`lane` is on disk now."""
        self.all.append(lane)

    def find(self, lane: LaneId) -> Lane:
        """The lane with this name and epoch.

        Raises:
            RefusedError: there is none; it was renumbered, or set aside.
        """
        for candidate in self.all:
            if candidate.epoch == lane.epoch and candidate.name == lane.lane:
                return candidate
        raise RefusedError(f"this spool has no lane {lane}", "it has a new epoch by now: open the session again")

    @property
    def used(self) -> int:
        """Charged bytes on disk, deletable ones included."""
        return sum(lane.bytes + lane.freed for lane in self.all)

    @property
    def freed(self) -> int:
        """Charged bytes that a trim would give back."""
        return sum(lane.freed for lane in self.all)

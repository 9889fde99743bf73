"""What tests of spools need: payloads, a disk whose free space is a number, and SQLite that fails on demand."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rt_edge.data.clock import SystemClock
from rt_edge.data.codec import decode_readings, encode_readings
from rt_edge.data.reading import Reading
from rt_edge.data.record import Record, RecordKind
from rt_edge.spool.pending import Pending
from rt_edge.spool.spool import Spool

START = 1_700_000_000_000_000_000


def make_readings(first: int, n: int, pad: int = 0) -> list[Reading]:
    """`n` Readings that count from `first` in field `n`; `pad` more bytes each."""
    more = {"pad": b"\x00" * pad} if pad else {}
    return [Reading("sim/one", START + i, {"n": i, **more}) for i in range(first, first + n)]


def make_pending(first: int, n: int = 1, pad: int = 0, lane: str = "main") -> Pending:
    """A record of `make_readings`."""
    return Pending(encode_readings(make_readings(first, n, pad)), n, lane=lane)


def counted(records: list[Record]) -> list[int]:
    """The numbers in field `n` of all Readings in `records`, in order."""
    return [int(r.fields["n"]) for record in records if record.kind is RecordKind.DATA for r in decode_readings(record.payload)]


def drain(spool: Spool, max_bytes: int = 200_000) -> list[Record]:
    """Read and confirm everything, sealed lanes first."""
    found: list[Record] = []
    for state in spool.lanes():
        after = state.confirmed
        while records := spool.read(state.id, after, max_bytes):
            if [record.first for record in records] != [after + 1, *(record.last + 1 for record in records[:-1])]:
                raise AssertionError(f"{state.id} is not without gaps after {after}: {[(r.first, r.last) for r in records]}")
            found += records
            after = records[-1].last
            spool.confirm(state.id, after)
    return found


class SetDisk:
    """A `Disk` with as much room as the test says.

    Attributes:
        free: bytes free.
    """

    def __init__(self, free: int = 10**12) -> None:
        self.free = free

    def free_bytes(self, folder: Path) -> int:
        """What the test said."""
        return self.free

    def allocate(self, path: Path, size: int) -> None:
        """A small file instead of a large one."""
        if size > self.free:
            raise OSError(errno.ENOSPC, "No space left on device")
        with path.open("wb") as file:
            file.truncate(size)


class FailingSqlite:
    """Makes connections of which the N-th statement fails, once or for ever, as SQLite reports it.

    Args:
        at: number of the statement that fails, from 1; 0: none.
        code: extended result code, e.g. `sqlite3.SQLITE_FULL`.
        forever: whether all later ones fail, too (but not a ROLLBACK, which needs no disk).

    Attributes:
        count: statements so far.
    """

    def __init__(self, at: int = 0, code: int = sqlite3.SQLITE_IOERR_WRITE, forever: bool = False) -> None:
        self.at = at
        self.code = code
        self.forever = forever
        self.count = 0
        self.failed = 0

    def __call__(self, path: Path) -> sqlite3.Connection:
        """A connection whose statements are counted, over all connections."""
        check = self._check

        class Counted(sqlite3.Connection):
            def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
                check(sql)
                return super().execute(sql, *args)

            def executemany(self, sql: str, *args: Any) -> sqlite3.Cursor:
                check(sql)
                return super().executemany(sql, *args)

        return sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=Counted)

    def _check(self, sql: str) -> None:
        if sql == "ROLLBACK":
            return
        self.count += 1
        if self.at and (self.count == self.at or (self.forever and self.count > self.at)):
            self.failed += 1
            error = sqlite3.OperationalError("made to fail")
            error.sqlite_errorcode = self.code
            raise error


def open_spool(path: Path, max_bytes: int = 2_000_000, when_full: Any = "block", **more: Any) -> Spool:
    """A spool of node `n1`, route `hq`, small, on a disk without end."""
    more.setdefault("disk", SetDisk())
    more.setdefault("reserve", 0)
    return Spool.open(path, "n1", "hq", more.pop("clock", SystemClock()), max_bytes, when_full, **more)


def image(path: Path, folder: Path) -> Path:
    """What a killed process leaves of the spool at `path`, in another folder: all files but the lock, as they are now."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in path.parent.glob(path.name + "*"):
        if file.suffix != ".lock" and not file.name.endswith("-shm"):
            shutil.copyfile(file, folder / file.name)
    return folder / path.name


Change = Callable[[bytearray], None]


def damage(path: Path, change: Change) -> None:
    """Change the bytes of a file."""
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(bytes(data))

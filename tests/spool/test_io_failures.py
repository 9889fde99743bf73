"""The N-th I/O operation fails, for N = 1, 2, 3 ...: nothing acknowledged is lost, nothing half-done stays, work goes on."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from rt_edge.data.errors import TransientError
from rt_edge.data.receipt import Origin
from rt_edge.spool.errors import SpoolFull, SpoolIoError
from rt_edge.spool.quota import MIN_QUOTA
from rt_edge.spool.spool import Spool
from rt_edge.testkit.spool_bench import FailingSqlite, SetDisk, counted, make_pending, open_spool

STEPS = 8


def work(spool: Spool, kept: list[int], confirmed: list[int]) -> None:
    """Append, confirm, trim; notes in `kept` and `confirmed` what was acknowledged before an error comes out."""
    origin = Origin("plc", "one")
    for n in range(len(kept), STEPS):
        if spool.intake.admit(origin, [n]) == [True]:
            spool.append([make_pending(n, 1, 3000)])
        else:
            spool.intake.rollback()  # an earlier attempt had reached the disk although it was said to have failed
        kept.append(n)
        if n % 4 == 3:
            confirmed.append(n - 2)
            spool.confirm(spool.lane(), n - 2)
            spool.trim()


def check(path: Path, kept: list[int], confirmed: list[int], where: str) -> None:
    """What was acknowledged is there once, in order, and the file is sound."""
    spool = open_spool(path, boot=where)
    state = spool.lanes()[0]
    assert spool.ls().findings == [], where
    found = counted(spool.read(state.id, state.confirmed, 10**9))
    assert found == list(range(state.confirmed, state.confirmed + len(found))), where
    assert state.confirmed <= max(confirmed, default=0), where
    assert state.last >= len(kept), f"{where}: {len(kept)} were acknowledged, {state.last} are there"
    spool.close()
    conn = sqlite3.connect(path)
    assert conn.execute("PRAGMA integrity_check").fetchone()[0] == "ok", where
    conn.close()


@pytest.mark.parametrize(
    ("code", "forever"),
    [
        (sqlite3.SQLITE_FULL, False),
        (sqlite3.SQLITE_FULL, True),
        (sqlite3.SQLITE_IOERR_WRITE, True),
        (sqlite3.SQLITE_IOERR_FSYNC, False),
    ],
)
def test_nothing_is_lost_when_the_nth_statement_fails(ram_path: Path, code: int, forever: bool) -> None:
    """Whichever statement fails, once or from then on, the caller is told, and the next start finds what was acknowledged."""
    n = 0
    while True:
        n += 1
        path = ram_path / f"{n}" / "hq.db"
        sqlite = FailingSqlite(n, code, forever)
        kept: list[int] = []
        confirmed: list[int] = []
        spool = None
        told = False
        for _ in range(2):
            try:
                spool = spool or open_spool(path, connect=sqlite)
                work(spool, kept, confirmed)
                break
            except TransientError:
                told = True
        if spool is not None:
            spool.close()
        assert told or len(kept) == STEPS
        if not forever and spool is not None:
            assert len(kept) == STEPS, f"statement {n}: one failure is over at the next attempt"
        check(path, kept, confirmed, f"statement {n}, code {code}")
        if not sqlite.failed:
            break
    print(f"{n - 1} statements failed one by one")
    assert n > 40


def with_limit(size: int, action: Callable[[], None]) -> None:
    """Do it while no file may grow beyond `size` bytes: real writes of SQLite fail, at whichever byte."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        action()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_nothing_is_lost_when_real_writes_fail_at_any_size(ram_path: Path) -> None:
    """The operating system refuses to let the files grow at ever other places; afterwards the same spool goes on."""
    refused = 0
    for size in range(100, 200_000, 3777):
        path = ram_path / f"{size}" / "hq.db"
        kept: list[int] = []
        confirmed: list[int] = []
        opened: list[Spool] = []

        def limited(
            path: Path = path, opened: list[Spool] = opened, kept: list[int] = kept, confirmed: list[int] = confirmed
        ) -> None:
            opened.append(open_spool(path))
            work(opened[0], kept, confirmed)

        try:
            with_limit(size, limited)
        except TransientError:  # any other error fails this test
            refused += 1
        spool = opened[0] if opened else open_spool(path)
        before = len(kept)
        work(spool, kept, confirmed)
        assert len(kept) == STEPS, f"at {size} bytes {before} were kept, and then no more"
        spool.close()
        check(path, kept, confirmed, f"{size} bytes")
    print(f"{refused} refusals")
    assert refused > 20


def test_deleting_works_when_the_disk_is_full(tmp_path: Path) -> None:
    """With the reserve given up, a spool on a full disk opens, delivers, deletes, and takes records again."""
    disk = SetDisk()
    spool = open_spool(tmp_path / "hq.db", disk=disk, reserve=500_000)
    assert (tmp_path / "hq.db.reserve").stat().st_size == 500_000
    sqlite = FailingSqlite()
    spool.close()
    spool = open_spool(tmp_path / "hq.db", disk=disk, reserve=500_000, connect=sqlite)
    for n in range(10):
        spool.append([make_pending(n, 1, 1000)])
    sqlite.at, sqlite.code = sqlite.count + 1, sqlite3.SQLITE_FULL
    with pytest.raises(SpoolFull):
        spool.append([make_pending(10)])
    assert not (tmp_path / "hq.db.reserve").exists(), "its space is free for the deletion now"
    assert spool.depth().full
    spool.confirm(spool.lane(), 10)
    assert not spool.depth().full
    assert spool.append([make_pending(10)]) == [11]
    assert (tmp_path / "hq.db.reserve").exists(), "taken again as soon as there is room"
    spool.close()


def test_append_refuses_when_the_free_space_floor_is_reached(tmp_path: Path) -> None:
    """The last bytes of the file system are left to others, and the same batch is taken when there is space again."""
    disk = SetDisk(200_000_000)
    spool = open_spool(tmp_path / "hq.db", disk=disk, free_floor=64_000_000)
    spool.append([make_pending(0)])
    disk.free = 64_000_500
    with pytest.raises(SpoolFull, match="64MB free, and 64MB are left to others") as refused:
        spool.append([make_pending(1, 1, 60_000)])
    assert "make room" in refused.value.hint
    assert spool.disk_trouble.startswith("the disk has 64MB free, and 64MB are left to others; make room")
    disk.free = 100_000_000
    assert spool.append([make_pending(1, 1, 60_000)]) == [2]
    assert not spool.disk_trouble
    spool.close()


def test_the_disk_is_not_blamed_when_the_quota_is_reached(tmp_path: Path) -> None:
    """A spool that is full of what upstream has not confirmed has no trouble with its disk."""
    spool = open_spool(tmp_path / "hq.db", max_bytes=MIN_QUOTA, disk=SetDisk(200_000_000), free_floor=64_000_000)

    def fill() -> None:
        for n in range(1000):
            spool.append([make_pending(n, 1, 60_000)])

    with pytest.raises(SpoolFull, match="is full"):
        fill()
    assert spool.full
    assert not spool.disk_trouble
    spool.close()


def test_oldest_make_room_when_the_floor_is_reached_and_it_drops(tmp_path: Path) -> None:
    """On a disk that others have filled, `drop_oldest` goes on inside the space it has."""
    disk = SetDisk()
    spool = open_spool(tmp_path / "hq.db", when_full="drop_oldest", disk=disk, free_floor=64_000_000)
    for n in range(20):
        spool.append([make_pending(n, 1, 30_000)])
    disk.free = 64_000_000
    for n in range(20, 60):
        spool.append([make_pending(n, 1, 30_000)])
    records = spool.read(spool.lane(), 0, 10**9)
    assert counted(records)[-1] == 59
    assert sum(record.count for record in records) == 60
    spool.close()


def test_an_io_error_is_told_as_one_when_reading_fails(tmp_path: Path) -> None:
    """A read that fails once is worth another try, and changes nothing."""
    sqlite = FailingSqlite(0, sqlite3.SQLITE_IOERR)
    spool = open_spool(tmp_path / "hq.db", connect=sqlite)
    spool.append([make_pending(0)])
    sqlite.at = sqlite.count + 1
    with pytest.raises(SpoolIoError):
        spool.read(spool.lane(), 0, 1000)
    assert counted(spool.read(spool.lane(), 0, 1000)) == [0]
    spool.close()

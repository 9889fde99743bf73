"""A spool opens after anything, keeps what can be read, and says what it found."""

from __future__ import annotations

import os
import random
import sqlite3
from pathlib import Path

import msgspec
import pytest

from rt_edge.data.clock import SystemClock
from rt_edge.data.receipt import Origin
from rt_edge.data.record import Gap, RecordKind, Tombstone
from rt_edge.spool.database import connect
from rt_edge.spool.errors import SpoolInUse, SpoolIoError, SpoolRecovered, SpoolUnusable
from rt_edge.spool.files import Files
from rt_edge.testkit.spool_bench import FailingSqlite, counted, damage, drain, image, make_pending, open_spool

PAGE = 4096


def made(path: Path, records: int = 40, pad: int = 2000) -> None:
    """A cleanly closed spool of `records` records of 5 Readings each."""
    spool = open_spool(path)
    for n in range(records):
        spool.append([make_pending(n * 5, 5, pad // 5)])
    spool.close()


def reasons(records: list) -> list[str]:
    """The reasons of the gap records."""
    return [msgspec.msgpack.decode(r.payload, type=Gap).reason for r in records if r.kind is RecordKind.GAP]


def holes(records: list) -> int:
    """How many numbers are under a tombstone `unreadable`."""
    stones = [msgspec.msgpack.decode(r.payload, type=Tombstone) for r in records if r.kind is RecordKind.TOMBSTONE]
    assert all(stone.reason == "unreadable" for stone in stones)
    return sum(stone.records for stone in stones)


def test_new_epoch_says_so_when_the_file_is_garbage(tmp_path: Path) -> None:
    """Garbage is set aside whole, and the stream begins with a gap record under a new epoch."""
    path = tmp_path / "hq.db"
    path.write_bytes(random.Random(1).randbytes(50_000))
    spool = open_spool(path)
    assert [f.reason for f in spool.ls().findings] == ["spool_damaged"]
    assert spool.ls().set_aside == ["hq.db.broken-1"]
    assert (tmp_path / "hq.db.broken-1").read_bytes() == random.Random(1).randbytes(50_000)
    spool.append([make_pending(0)])
    records = drain(spool)
    assert reasons(records) == ["spool_damaged"]
    assert counted(records) == [0]
    spool.close()


def test_everything_behind_is_set_aside_when_the_magic_is_wrong(tmp_path: Path) -> None:
    """A file whose first bytes are wrong is not a database: kept aside, not lost, and the spool works."""
    path = tmp_path / "hq.db"
    made(path)
    damage(path, lambda data: data.__setitem__(slice(0, 16), b"not a database!!"))
    spool = open_spool(path)
    assert spool.append([make_pending(0)]) == [2]
    assert reasons(drain(spool)) == ["spool_damaged"]
    spool.close()


def test_records_are_salvaged_when_a_page_in_the_middle_is_damaged(ram_path: Path) -> None:
    """One overwritten page costs the records on it; the others keep epoch and number, the hole is a tombstone."""
    made(ram_path / "a" / "hq.db", 60, 500)
    pages = (ram_path / "a" / "hq.db").stat().st_size // PAGE
    lost = {}
    for page in range(1, pages):
        path = image(ram_path / "a" / "hq.db", ram_path / f"p{page}")
        rng = random.Random(page)
        damage(
            path, lambda data, page=page, rng=rng: data.__setitem__(slice(page * PAGE, (page + 1) * PAGE), rng.randbytes(PAGE))
        )
        spool = open_spool(path, boot="after a power cut")
        try:
            spool.append([make_pending(1000)])
            records = drain(spool)
        except SpoolRecovered:
            spool.append([make_pending(1000)])
            records = drain(spool)
        found = counted(records)
        assert found[-1] == 1000, f"page {page}: what came after the damage is there"
        assert found[:-1] == sorted(set(found[:-1])), f"page {page}: no record is doubled or out of order"
        lost[page] = 60 - len(found[:-1]) // 5
        spool.close()
    assert sorted(lost.values())[len(lost) // 2] <= 8, f"most pages cost only what was on them: {lost}"
    assert max(lost.values()) < 60 or sum(count == 60 for count in lost.values()) <= 3, f"only roots cost everything: {lost}"


def test_what_is_left_is_salvaged_when_the_file_is_cut_off(tmp_path: Path) -> None:
    """A truncated file gives back its readable records, without holes between the numbers."""
    path = tmp_path / "hq.db"
    made(path, 60, 500)
    os.truncate(path, path.stat().st_size * 2 // 3 // PAGE * PAGE)
    spool = open_spool(path)
    try:
        spool.append([make_pending(1000)])
        records = drain(spool)
    except SpoolRecovered:
        spool.append([make_pending(1000)])
        records = drain(spool)
    found = counted(records)
    assert found[-1] == 1000
    assert len(found) > 100, f"of 300 readings {len(found)} are left"
    assert "spool_damaged" in reasons(records)
    spool.close()


def test_one_record_becomes_a_tombstone_when_a_bit_of_its_payload_flipped(tmp_path: Path) -> None:
    """SQLite does not notice a flipped bit in a payload; the row's checksum does, and only this record is lost."""
    path = tmp_path / "hq.db"
    made(path, 20, 20_000)

    def flip(data: bytearray) -> None:
        data[len(data) // 2 + 2000] ^= 1

    damage(path, flip)
    spool = open_spool(path)
    records = drain(spool)
    assert holes(records) == 1
    assert len(counted(records)) == 95
    assert spool.ls().dropped == {"unreadable": 5}
    spool.close()


def test_numbers_are_not_used_again_when_the_log_was_damaged(tmp_path: Path) -> None:
    """A write-ahead log without a valid header would be ignored silently: it is set aside, and a new epoch begins."""
    spool = open_spool(tmp_path / "hq.db")
    spool.append([make_pending(0)])
    epoch = spool.lane().epoch
    path = image(tmp_path / "hq.db", tmp_path / "cut")
    spool.close()
    damage(Files(path).wal, lambda data: data.__setitem__(slice(0, 32), bytes(32)))
    spool = open_spool(path)
    assert spool.lane().epoch != epoch
    records = drain(spool)
    assert "spool_wal_damaged" in reasons(records)
    assert (tmp_path / "cut" / "hq.db.broken-1-wal").exists()
    spool.close()


def test_nothing_is_lost_when_frames_at_the_end_of_the_log_are_garbage(tmp_path: Path) -> None:
    """Half a transaction at the end of the log is no damage: everything committed before is there."""
    spool = open_spool(tmp_path / "hq.db")
    for n in range(5):
        spool.append([make_pending(n)])
    path = image(tmp_path / "hq.db", tmp_path / "cut")
    spool.close()
    with Files(path).wal.open("ab") as wal:
        wal.write(random.Random(3).randbytes(10_000))
    spool = open_spool(path, boot="after a power cut")
    assert counted(drain(spool)) == [0, 1, 2, 3, 4]
    assert spool.ls().findings == []
    spool.close()


def test_nothing_is_lost_when_it_was_killed_and_the_shm_file_is_missing(tmp_path: Path) -> None:
    """The index of the log is rebuilt; a kill needs no check and makes no new epoch."""
    spool = open_spool(tmp_path / "hq.db")
    for n in range(5):
        spool.append([make_pending(n)])
    lane = spool.lane()
    path = image(tmp_path / "hq.db", tmp_path / "killed")
    spool.close()
    spool = open_spool(path)
    assert spool.lane() == lane
    assert spool.depth().records == 5
    assert counted(drain(spool)) == [0, 1, 2, 3, 4]
    spool.close()


def test_a_new_spool_says_so_when_the_file_was_empty(tmp_path: Path) -> None:
    """A file of zero bytes works, and the stream says that something may be missing."""
    path = tmp_path / "hq.db"
    path.touch()
    spool = open_spool(path)
    spool.append([make_pending(0)])
    records = drain(spool)
    assert reasons(records) == ["spool_empty_file"]
    assert counted(records) == [0]
    spool.close()


def test_the_file_is_kept_whole_when_a_newer_version_wrote_it(tmp_path: Path) -> None:
    """After a downgrade the newer file is set aside untouched, never deleted, and the spool works."""
    path = tmp_path / "hq.db"
    made(path)
    conn = sqlite3.connect(path)
    conn.execute("PRAGMA user_version=99")
    conn.commit()
    conn.close()
    spool = open_spool(path)
    assert [f.reason for f in spool.ls().findings] == ["spool_newer"]
    conn = sqlite3.connect(tmp_path / "hq.db.newer-1")
    assert conn.execute("SELECT count(*) FROM record").fetchone()[0] == 40
    conn.close()
    spool.close()


def test_it_is_set_aside_when_the_file_is_somebody_elses_database(tmp_path: Path) -> None:
    """A database with other tables is not written into."""
    path = tmp_path / "hq.db"
    conn = sqlite3.connect(path)
    conn.execute("CREATE TABLE recipes(name TEXT)")
    conn.commit()
    conn.close()
    spool = open_spool(path)
    assert "not a spool" in spool.ls().findings[0].detail
    spool.close()


def test_only_three_are_kept_when_it_breaks_again_and_again(tmp_path: Path) -> None:
    """Damaged files do not fill the disk."""
    path = tmp_path / "hq.db"
    for n in range(5):
        path.write_bytes(b"x" * (5000 + n))
        open_spool(path).close()
    assert [p.name for p in Files(path).broken()] == ["hq.db.broken-3", "hq.db.broken-4", "hq.db.broken-5"]


@pytest.mark.parametrize("moment", ["while it was copied", "between the renames"])
def test_salvage_goes_on_when_it_was_cut_off(tmp_path: Path, moment: str) -> None:
    """A crash in the middle of a salvage loses nothing: it is done again, or what it had made is used."""
    path = tmp_path / "hq.db"
    made(path)
    files = Files(path)
    if moment == "while it was copied":
        files.new.write_bytes(path.read_bytes()[:5000])
    else:
        path.rename(files.new)
    spool = open_spool(path)
    assert len(counted(drain(spool))) == 200
    spool.close()
    assert not files.new.exists()


def test_the_reason_is_clear_when_the_folder_cannot_be_written(tmp_path: Path) -> None:
    """A read-only place is the operator's to change, and the message says which."""
    with pytest.raises(SpoolUnusable, match=r"/proc/\S+ cannot be"):
        open_spool(Path(f"/proc/{os.getpid()}/spool/hq.db"))
    (tmp_path / "file").touch()
    with pytest.raises(SpoolUnusable, match="cannot be made: File exists"):
        open_spool(tmp_path / "file" / "hq.db")


def test_the_second_process_learns_the_pid_when_the_spool_is_taken(tmp_path: Path) -> None:
    """Two writers never meet in one file."""
    spool = open_spool(tmp_path / "hq.db")
    with pytest.raises(SpoolInUse, match=f"process {os.getpid()} "):
        open_spool(tmp_path / "hq.db")
    spool.close()


def test_the_lane_is_renumbered_when_the_spool_belongs_to_another_node(tmp_path: Path) -> None:
    """A spool that was copied or renamed delivers its backlog under a new epoch, and says where it came from."""
    path = tmp_path / "hq.db"
    made(path)
    old = open_spool(path)
    lane = old.lane()
    old.confirm(lane, 10)
    old.close()
    spool = type(old).open(path, "n2", "hq", SystemClock(), 2_000_000, reserve=0)
    states = spool.lanes()
    assert [(s.id.node, s.sealed, s.last) for s in states] == [("n2", True, 30), ("n2", False, 1)]
    assert lane.epoch not in [s.id.epoch for s in states]
    records = drain(spool)
    assert counted(records) == list(range(50, 200))
    assert reasons(records) == ["spool_moved"]
    spool.close()
    spool = type(old).open(path, "n2", "hq", SystemClock(), 2_000_000, reserve=0)
    assert [s.sealed for s in spool.lanes()] == [False], "a sealed lane goes with the next start when it is confirmed"
    spool.close()


def test_intake_survives_when_the_file_is_salvaged(tmp_path: Path) -> None:
    """After a salvage, what was stored before is still recognised."""
    path = tmp_path / "hq.db"
    spool = open_spool(path)
    origin = Origin("plc", "life-1")
    for n in range(60):
        spool.intake.admit(origin, [n])
        spool.append([make_pending(n, 1, 1000)])
    spool.close()
    pages = path.stat().st_size // PAGE
    rng = random.Random(5)
    damage(path, lambda data: data.__setitem__(slice((pages - 2) * PAGE, (pages - 1) * PAGE), rng.randbytes(PAGE)))
    spool = open_spool(path, boot="after a power cut")
    if not spool.ls().findings:
        with pytest.raises(SpoolRecovered):
            drain(spool)
    known = spool.intake.admit(origin, list(range(60))).count(False)
    spool.intake.rollback()
    assert known == 60
    spool.close()


def test_work_goes_on_when_damage_shows_while_appending(tmp_path: Path) -> None:
    """The file is rebuilt under the caller: lanes are sealed with what they had, and the same batch is kept in the new lane."""
    sqlite = FailingSqlite(0, sqlite3.SQLITE_CORRUPT)
    spool = open_spool(tmp_path / "hq.db", connect=sqlite)
    spool.append([make_pending(0), make_pending(1)])
    old = spool.lane()
    sqlite.at = sqlite.count + 3
    with pytest.raises(SpoolRecovered):
        spool.append([make_pending(2)])
    assert spool.append([make_pending(2)]) == [2], "1 is the gap record"
    assert [(s.id == old, s.sealed) for s in spool.lanes()] == [(True, True), (False, False)]
    assert counted(drain(spool)) == [0, 1, 2]
    spool.close()


def test_it_comes_back_when_the_disk_refused_the_rebuilding(tmp_path: Path) -> None:
    """A spool that could not be rebuilt at once is rebuilt by the next call."""
    sqlite = FailingSqlite(0, sqlite3.SQLITE_CORRUPT)
    spool = open_spool(tmp_path / "hq.db", connect=sqlite)
    spool.append([make_pending(0)])
    sqlite.at, sqlite.forever = sqlite.count + 1, True
    with pytest.raises(SpoolIoError):
        spool.append([make_pending(1)])
    sqlite.at = 0
    spool.append([make_pending(1)])
    records = drain(spool)
    assert counted(records)[-1] == 1
    assert "spool_damaged" in reasons(records)
    spool.close()


def test_the_stream_says_it_when_a_crash_came_before_it_could(ram_path: Path) -> None:
    """A crash between setting aside and the gap record does not hide that something was lost."""
    path = ram_path / "hq.db"
    path.write_bytes(b"x" * 5000)
    sqlite = FailingSqlite(0, sqlite3.SQLITE_IOERR_WRITE)
    refused = 0
    for at in range(1, 60):
        sqlite.count, sqlite.at, sqlite.forever = 0, at, True
        try:
            spool = open_spool(path, connect=sqlite)
            break
        except SpoolIoError:
            refused += 1
    sqlite.at = 0
    assert refused > 20
    assert set(reasons(drain(spool))) == {"spool_damaged"}
    spool.close()
    spool = open_spool(path)
    assert spool.ls().findings == [], "it is said once"
    spool.close()


def test_a_large_spool_opens_in_a_second_when_it_was_closed_or_killed(tmp_path: Path) -> None:
    """100 MB of backlog do not delay a start: clean, after a kill, and after a power cut with its check."""
    clock = SystemClock()
    path = tmp_path / "a" / "hq.db"
    spool = open_spool(path, 200_000_000)
    batch = [make_pending(0, 100, 2400) for _ in range(8)]
    for _ in range(52):
        spool.append(batch)
    killed = image(path, tmp_path / "b")
    spool.close()
    assert path.stat().st_size > 100_000_000
    for where, boot in ((path, None), (killed, None), (image(killed, tmp_path / "c"), "another boot")):
        start = clock.monotonic()
        spool = open_spool(where, 200_000_000, boot=boot)
        took = clock.monotonic() - start
        assert spool.depth().records == 52 * 8
        spool.close()
        assert took < 1.0, f"{where} took {took:.2f} s"


def test_connection_is_plain_when_it_is_made_for_the_spool(tmp_path: Path) -> None:
    """No implicit transactions: the spool says itself where one begins and ends."""
    conn = connect(tmp_path / "x.db")
    assert conn.isolation_level is None
    conn.close()


def test_every_commit_is_synced_when_the_spool_writes(tmp_path: Path) -> None:
    """What `append` returned from survives a power cut: the log is synced at each commit (FULL), not only now and then."""
    made: list[sqlite3.Connection] = []

    def remember(path: Path) -> sqlite3.Connection:
        made.append(connect(path))
        return made[-1]

    spool = open_spool(tmp_path / "x.db", connect=remember)
    try:
        assert made[-1].execute("PRAGMA synchronous").fetchone() == (2,)
        assert made[-1].execute("PRAGMA journal_mode").fetchone() == ("wal",)
    finally:
        spool.close()

"""The journal of commands on a real SQLite file, and the audit log."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from rt_edge.commands.audit import AuditLog
from rt_edge.commands.command import Command, Row
from rt_edge.commands.journal import CommandJournal
from rt_edge.data.errors import TransientError
from rt_edge.testkit.simulated_time import EPOCH_NS, SimulatedTime


def row(number, phase="ended", key=None, ended=EPOCH_NS, value=5, **more):
    command = Command(key or f"k{number}", "pump/speed", value, who="eva", where="hall", **more)
    return Row(number, command, phase, "confirmed" if phase == "ended" else "accepted", "", None, 3, EPOCH_NS, ended, "boot", 9.5)


def test_rows_are_there_after_it_was_opened_again(tmp_path):
    """Every field of a row survives, in the order of arrival; a later row of one number replaces the earlier."""
    time = SimulatedTime()
    journal = CommandJournal(tmp_path / "plc.db", time)
    assert journal._conn.execute("PRAGMA synchronous").fetchone() == (2,), "a commit is not on the disk when it returns"
    journal.save([row(2, "accepted"), row(1, "accepted", value=b"\x00\xff")])
    journal.save([row(2, "sending")])
    journal.close()
    again = CommandJournal(tmp_path / "plc.db", time)
    assert [(r.number, r.phase) for r in again.rows] == [(1, "accepted"), (2, "sending")]
    assert again.rows[0] == row(1, "accepted", value=b"\x00\xff")
    assert again.problem == ""
    again.close()
    assert stat.S_IMODE((tmp_path / "plc.db").stat().st_mode) == 0o600


def test_what_has_ended_is_trimmed_by_age_and_number_and_nothing_else(tmp_path):
    """Rows that have not ended stay, however old."""
    time = SimulatedTime()
    journal = CommandJournal(tmp_path / "plc.db", time, keep=3, keep_s=100)
    journal.save([row(1, "sending"), row(2, "accepted"), *(row(n) for n in range(3, 10))])
    journal.close()
    journal = CommandJournal(tmp_path / "plc.db", time, keep=3, keep_s=100)
    assert [r.number for r in journal.rows] == [1, 2, 7, 8, 9]
    time.now = 101.0
    journal.close()
    journal = CommandJournal(tmp_path / "plc.db", time, keep=3, keep_s=100)
    assert [r.number for r in journal.rows] == [1, 2]
    journal.close()


@pytest.mark.parametrize("damage", ["garbage", "rows"])
def test_damaged_file_is_set_aside_and_said(tmp_path, damage):
    """It always opens; what could not be read is still there under another name."""
    path = tmp_path / "plc.db"
    time = SimulatedTime()
    if damage == "garbage":
        path.write_bytes(b"not a database" * 1000)
    else:
        CommandJournal(path, time).close()
        with sqlite3.connect(path) as conn:
            conn.execute("INSERT INTO command VALUES (1, 'sending', 0, x'c1')")
        conn.close()
    journal = CommandJournal(path, time)
    assert journal.rows == []
    assert "set aside as plc.db.damaged-1" in journal.problem
    assert (tmp_path / "plc.db.damaged-1").exists()
    journal.save([row(1)])
    journal.close()


def test_row_that_cannot_be_written_is_an_error(tmp_path):
    """A full disk is said, and the journal works again when there is room."""
    journal = CommandJournal(tmp_path / "plc.db", SimulatedTime())
    pages = journal._conn.execute("PRAGMA page_count").fetchone()[0]
    journal._conn.execute(f"PRAGMA max_page_count={pages}").fetchall()
    with pytest.raises(TransientError, match="full"):
        journal.save([row(1, value="x" * 100_000)])
    journal._conn.execute("PRAGMA max_page_count=10000").fetchall()
    journal.save([row(1, value="x" * 100_000)])
    journal.close()


def test_row_of_an_older_version_is_read(tmp_path):
    """The layout is append-only: a row without the last fields has their defaults."""
    old = msgspec.to_builtins(row(1))
    old[1] = old[1][:4]
    assert msgspec.convert(old, Row).command.via == "cli"


def test_audit_line_says_who_what_and_the_old_value(tmp_path):
    """One line of JSON a command, mode 0600; long texts are cut, bytes are hex."""
    audit = AuditLog(tmp_path / "plc.audit.jsonl", "plc")
    audit.write(row(1))
    audit.write(row(2, value=b"\x01\xff"), "later: failed")
    audit.write(row(3, value="x" * 1000))
    first, second, third = (json.loads(line) for line in (tmp_path / "plc.audit.jsonl").read_text().splitlines())
    wanted = {"via": "cli", "who": "eva", "where": "hall", "adapter": "plc", "point": "pump/speed", "value": 5, "old": 3}
    assert {name: first[name] for name in wanted} == wanted
    assert (first["result"], first["time"]) == ("confirmed", "2023-11-14T22:13:20.000+00:00")
    assert (second["value"], second["note"]) == ("01ff", "later: failed")
    assert len(third["value"]) == 200
    assert stat.S_IMODE((tmp_path / "plc.audit.jsonl").stat().st_mode) == 0o600


def test_audit_line_is_on_the_disk_when_it_was_written(tmp_path, monkeypatch):
    """Synced, with all of the line: who is told the end of a command finds it in the log after a power failure, too."""
    path, synced, sync = tmp_path / "plc.audit.jsonl", [], os.fsync

    def note(fd):
        sync(fd)
        assert os.path.samestat(os.fstat(fd), path.stat())
        synced.append(path.read_bytes())

    monkeypatch.setattr("rt_edge.commands.audit.os.fsync", note)
    AuditLog(path, "plc").write(row(1))
    assert synced == [path.read_bytes()] != [b""]


def test_audit_log_is_rotated_and_bounded(tmp_path):
    """The oldest file goes; the newest lines are in the file without a number."""
    audit = AuditLog(tmp_path / "a", "plc", max_bytes=1000, files=3)
    for number in range(1, 40):
        audit.write(row(number))
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files in (["a", "a.1", "a.2"], ["a.1", "a.2"])
    assert all(path.stat().st_size < 2000 for path in tmp_path.iterdir())
    kept = [json.loads(line)["key"] for name in reversed(files) for line in (tmp_path / name).read_text().splitlines()]
    assert kept == [f"k{n}" for n in range(40 - len(kept), 40)]


def test_audit_log_of_several_writers_loses_no_line_while_it_is_rotated(tmp_path):
    """Processes of a node write to the one of the node; the one that has opened a file that another one renames looks again."""
    path = tmp_path / "audit.jsonl"
    writers = [AuditLog(path, "", max_bytes=600, files=500) for _ in range(4)]

    def write(writer):
        for _ in range(40):
            writer.write(row(1), node="edge-1")

    with ThreadPoolExecutor(len(writers)) as pool:
        list(pool.map(write, writers))
    files = sorted(tmp_path.iterdir())
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    assert len(lines) == 160
    assert {line["node"] for line in lines} == {"edge-1"}
    assert max(file.stat().st_size for file in files) < 1300, "written to after it was full"


def test_audit_log_that_is_renamed_between_opening_and_locking_is_opened_again(tmp_path, monkeypatch):
    """The line is in the current file, as a rotation by another process at that moment shows."""
    path = tmp_path / "audit.jsonl"
    audit = AuditLog(path, "")
    audit.write(row(1))
    locked = []

    def flock(fd, how):
        if not locked:
            path.rename(tmp_path / "audit.jsonl.1")
        locked.append(fd)

    monkeypatch.setattr("rt_edge.commands.audit.fcntl.flock", flock)
    audit.write(row(2))
    assert [len(file.read_text().splitlines()) for file in (path, tmp_path / "audit.jsonl.1")] == [1, 1]

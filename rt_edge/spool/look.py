"""A longer look into a spool from outside than `inspect`: how old, what was dropped and why, what was found."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import quote

import msgspec

from rt_edge.data.record import Gap, LaneId, RecordKind, Tombstone
from rt_edge.spool.database import KEY_BITS
from rt_edge.spool.errors import SpoolIoError
from rt_edge.spool.files import Files
from rt_edge.spool.inspect import Inspection, inspect
from rt_edge.spool.opening import Finding

NOTES = 10_000
"""Tombstones and gap records that are read, at most, of each lane."""

_tombstone = msgspec.msgpack.Decoder(Tombstone)
_gap = msgspec.msgpack.Decoder(Gap)
_findings = msgspec.json.Decoder(list[Finding])


class LaneNotes(msgspec.Struct):
    """What the unconfirmed part of a lane says beside its readings.

    Attributes:
        oldest: when its first unconfirmed record was stored, wall ns; None: there is none.
        dropped: reason -> readings that tombstones stand for.
        gaps: reason -> gap records.
        unreadable: tombstones and gap records that do not decode.
    """

    oldest: int | None = None
    dropped: dict[str, int] = {}
    gaps: dict[str, int] = {}
    unreadable: int = 0


class Look(msgspec.Struct, frozen=True):
    """What a look at a spool says.

    Attributes:
        inspection: lanes, sizes, files, the latest dead letters.
        notes: by lane.
        dead_letters: how many there are.
        findings: damage that was found and is not said in the stream so far.
    """

    inspection: Inspection
    notes: dict[LaneId, LaneNotes]
    dead_letters: int
    findings: list[Finding]


def look(path: Path, dead_letters: int = 10) -> Look:
    """Look at the spool at `path`, beside the node that has it open or without one; changes nothing in it.

    Args:
        path: the database file.
        dead_letters: how many of them to show.

    Raises:
        SpoolUnusable: there is none, or it is not a spool of a known version.
        SpoolIoError: it cannot be read now.
    """
    found = inspect(path, dead_letters)
    try:
        conn = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None, timeout=5.0)
        try:
            conn.execute("BEGIN")
            notes = {
                LaneId(found.node, found.route, name, bytes(epoch)): _notes(conn, id_, confirmed)
                for id_, name, epoch, confirmed in conn.execute(
                    "SELECT id, name, epoch, confirmed FROM lane ORDER BY id"
                ).fetchall()
            }
            letters = int(conn.execute("SELECT count(*) FROM dead_letter").fetchone()[0])
        finally:
            conn.close()
    except sqlite3.Error as error:
        raise SpoolIoError(f"{path} cannot be read: {error}", "a node that starts sets damaged files aside by itself") from error
    return Look(found, notes, letters, _noted(Files(path).found))


def _notes(conn: sqlite3.Connection, lane: int, confirmed: int) -> LaneNotes:
    notes = LaneNotes()
    bounds = (lane << KEY_BITS | confirmed, (lane + 1) << KEY_BITS)
    row = conn.execute("SELECT stored_at FROM record WHERE at > ? AND at < ? ORDER BY at LIMIT 1", bounds).fetchone()
    notes.oldest = row[0] if row is not None else None
    rows = conn.execute(
        "SELECT kind, payload FROM record WHERE at > ? AND at < ? AND kind IN (1, 2) ORDER BY at LIMIT ?", (*bounds, NOTES)
    )
    for kind, payload in rows:
        try:
            if kind == RecordKind.TOMBSTONE:
                tombstone = _tombstone.decode(payload)
                notes.dropped[tombstone.reason] = notes.dropped.get(tombstone.reason, 0) + tombstone.readings
            else:
                gap = _gap.decode(payload)
                notes.gaps[gap.reason] = notes.gaps.get(gap.reason, 0) + 1
        except (msgspec.MsgspecError, TypeError):
            notes.unreadable += 1
    return notes


def _noted(path: Path) -> list[Finding]:
    try:
        return _findings.decode(path.read_bytes())
    except FileNotFoundError:
        return []
    except (OSError, msgspec.MsgspecError) as error:
        return [Finding("spool_damaged", f"something was found, but the note of it cannot be read: {error}")]

"""Looking into a spool from outside, read-only, beside the node that has it open or without one (`rt-edge spool ls`)."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import quote

import msgspec

from rt_edge.data.record import Gap, LaneId, RecordKind, Tombstone
from rt_edge.spool.database import SCHEMA, get_meta
from rt_edge.spool.errors import SpoolIoError, SpoolUnusable
from rt_edge.spool.files import Files
from rt_edge.spool.lanes import Lane, LaneState, LaneTable
from rt_edge.spool.lock import holder
from rt_edge.spool.opening import Finding

NOTES = 10_000
"""Tombstones and gap records that are read, at most, of each lane."""

_tombstone = msgspec.msgpack.Decoder(Tombstone)
_gap = msgspec.msgpack.Decoder(Gap)
_findings = msgspec.json.Decoder(list[Finding])


class DeadLetterRow(msgspec.Struct, frozen=True):
    """An element that could not become a record."""

    died_at: int
    lane: str
    reason: str
    detail: str


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


class Inspection(msgspec.Struct, frozen=True):
    """What a look at the files says; records confirmed since the last deletion still count as waiting.

    Attributes:
        node: id of the node that wrote it.
        route: name of the uplink.
        store: the upstream store that has the confirmed records, "" if none is known.
        lanes: every lane.
        notes: of every lane.
        file_bytes: size of the database and its log.
        set_aside: damaged files kept.
        findings: damage that was found and is not said in the stream so far.
        dead_letters: how many there are.
        latest: the latest of them, newest first.
        pid: process that has it open; None: nobody.
    """

    node: str
    route: str
    store: str
    lanes: list[LaneState]
    notes: dict[LaneId, LaneNotes]
    file_bytes: int
    set_aside: list[str]
    findings: list[Finding]
    dead_letters: int
    latest: list[DeadLetterRow]
    pid: int | None


def inspect(path: Path, dead_letters: int = 10) -> Inspection:
    """Look at the spool at `path`, as of one moment; changes nothing in it.

    Args:
        path: the database file.
        dead_letters: how many to show.

    Raises:
        SpoolUnusable: there is none, or it is not a spool of a known version.
        SpoolIoError: it cannot be read now.
    """
    if not path.exists():
        raise SpoolUnusable(f"there is no spool at {path}", "a node makes it when it starts")
    files = Files(path)
    conn = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None, timeout=5.0)
    try:
        version = conn.execute("PRAGMA user_version").fetchone()[0]
        if version != SCHEMA:
            raise SpoolUnusable(f"{path} has tables of version {version}, known is {SCHEMA}")
        conn.execute("BEGIN")
        table = LaneTable()
        table.load(conn, False)
        node, route = get_meta(conn, "node") or "", get_meta(conn, "route") or ""
        latest = conn.execute("SELECT died_at, lane, reason, detail FROM dead_letter ORDER BY at DESC LIMIT ?", (dead_letters,))
        states = {lane.id: lane.state(node, route) for lane in table.all}
        return Inspection(
            node=node,
            route=route,
            store=get_meta(conn, "store") or "",
            lanes=list(states.values()),
            notes={states[lane.id].id: _notes(conn, lane) for lane in table.all},
            file_bytes=sum(file.stat().st_size for file in (files.db, files.wal) if file.exists()),
            set_aside=[file.name for file in files.broken()],
            findings=_noted(files.found),
            dead_letters=int(conn.execute("SELECT count(*) FROM dead_letter").fetchone()[0]),
            latest=[DeadLetterRow(*row) for row in latest],
            pid=holder(files.lock),
        )
    except sqlite3.Error as error:
        raise SpoolIoError(f"{path} cannot be read: {error}", "a node that starts sets damaged files aside by itself") from error
    finally:
        conn.close()


def _notes(conn: sqlite3.Connection, lane: Lane) -> LaneNotes:
    notes = LaneNotes(lane.oldest(conn))
    bounds = (lane.key(lane.confirmed), lane.key(lane.last))
    kinds = (RecordKind.TOMBSTONE, RecordKind.GAP)
    rows = conn.execute(
        "SELECT kind, payload FROM record WHERE at > ? AND at <= ? AND kind IN (?, ?) ORDER BY at LIMIT ?",
        (*bounds, *map(int, kinds), NOTES),
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

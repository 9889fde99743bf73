"""Looking into a spool from outside, read-only, beside the node that has it open or without one (`rt-edge spool ls`)."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import quote

import msgspec

from rt_edge.spool.database import SCHEMA, get_meta
from rt_edge.spool.errors import SpoolIoError, SpoolUnusable
from rt_edge.spool.files import Files
from rt_edge.spool.lanes import LaneState, LaneTable
from rt_edge.spool.lock import holder


class DeadLetterRow(msgspec.Struct, frozen=True):
    """An element that could not become a record."""

    died_at: int
    lane: str
    reason: str
    detail: str


class Inspection(msgspec.Struct, frozen=True):
    """What a look at the files says; records confirmed since the last deletion still count as waiting.

    Attributes:
        node: id of the node that wrote it.
        route: name of the uplink.
        store: the upstream store that has the confirmed records, "" if none is known.
        lanes: every lane.
        file_bytes: size of the database and its log.
        set_aside: damaged files kept.
        dead_letters: the latest dead letters, newest first.
        pid: process that has it open; None: nobody.
    """

    node: str
    route: str
    store: str
    lanes: list[LaneState]
    file_bytes: int
    set_aside: list[str]
    dead_letters: list[DeadLetterRow]
    pid: int | None


def inspect(path: Path, dead_letters: int = 10) -> Inspection:
    """Look at the spool at `path`; changes nothing in it.

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
        letters = conn.execute("SELECT died_at, lane, reason, detail FROM dead_letter ORDER BY at DESC LIMIT ?", (dead_letters,))
        return Inspection(
            node,
            route,
            get_meta(conn, "store") or "",
            [lane.state(node, route) for lane in table.all],
            sum(file.stat().st_size for file in (files.db, files.wal) if file.exists()),
            [file.name for file in files.broken()],
            [DeadLetterRow(*row) for row in letters],
            holder(files.lock),
        )
    except sqlite3.Error as error:
        raise SpoolIoError(f"{path} cannot be read: {error}", "a node that starts sets damaged files aside by itself") from error
    finally:
        conn.close()

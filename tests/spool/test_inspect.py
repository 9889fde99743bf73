"""Looking into a spool from outside."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from rt_edge.data.receipt import Origin
from rt_edge.spool.errors import SpoolIoError, SpoolUnusable
from rt_edge.spool.inspect import inspect
from rt_edge.spool.pending import DeadLetter
from rt_edge.testkit.spool_bench import make_pending, open_spool


def test_lanes_are_shown_when_a_node_has_it_open(tmp_path: Path) -> None:
    """Who looks sees what is durable, and which process has it, and disturbs nobody."""
    spool = open_spool(tmp_path / "hq.db")
    spool.append([make_pending(0, 5), make_pending(5, 5, lane="alarm")], [DeadLetter("too_large", "Reading(...)")])
    spool.remember_store("s-1")
    seen = inspect(tmp_path / "hq.db")
    assert (seen.node, seen.route, seen.store, seen.pid) == ("n1", "hq", "s-1", os.getpid())
    assert [(lane.id.lane, lane.records, lane.readings) for lane in seen.lanes] == [("main", 1, 5), ("alarm", 1, 5)]
    assert [(letter.reason, letter.detail) for letter in seen.latest] == [("too_large", "Reading(...)")]
    spool.append([make_pending(10)])
    spool.close()
    assert inspect(tmp_path / "hq.db").pid is None
    assert inspect(tmp_path / "hq.db").lanes[0].last == 2


def test_the_message_is_clear_when_there_is_nothing_to_look_at(tmp_path: Path) -> None:
    """A missing or damaged file is named, and not changed."""
    with pytest.raises(SpoolUnusable, match="there is no spool at"):
        inspect(tmp_path / "hq.db")
    (tmp_path / "hq.db").write_bytes(b"y" * 5000)
    with pytest.raises(SpoolIoError, match="cannot be read"):
        inspect(tmp_path / "hq.db")
    assert (tmp_path / "hq.db").read_bytes() == b"y" * 5000


def test_the_intake_log_stays_small_when_a_source_emits_for_long(tmp_path: Path) -> None:
    """The log is replaced by a snapshot, and a restart knows the same as before it."""
    spool = open_spool(tmp_path / "hq.db", 20_000_000)
    origin = Origin("broker", "life", 0, "s1")
    for start in range(0, 100_000, 1000):
        origin.floor = max(0, start - 2000)
        origin.keys = {n: n.to_bytes(4, "big")[2:] + n.to_bytes(8, "big") for n in range(start, start + 1000)}
        spool.intake.admit(origin, range(start, start + 1000))
        spool.append([make_pending(start)])
    spool.close()
    conn = sqlite3.connect(tmp_path / "hq.db")
    size = conn.execute("SELECT sum(length(entries)) FROM intake").fetchone()[0]
    conn.close()
    assert size < 2_000_000, f"{size} bytes for a window of 3,000"
    spool = open_spool(tmp_path / "hq.db", 20_000_000)
    later = Origin("broker", "next life", 0, "s1")
    later.keys = {0: (99_999).to_bytes(4, "big")[2:] + (99_999).to_bytes(8, "big"), 1: b"\x00\x01other"}
    later.redelivered = {0, 1}
    assert spool.intake.admit(later, [0, 1]) == [False, True]
    spool.intake.rollback()
    spool.close()

"""Looking into a spool from outside."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

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
    assert [(letter.reason, letter.detail) for letter in seen.dead_letters] == [("too_large", "Reading(...)")]
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

"""`rt-edge spool ls` on spools as a node leaves them, and on one that is open."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from rt_edge.cli.app import main
from rt_edge.data.clock import SystemClock
from rt_edge.data.record import Gap
from rt_edge.spool.pending import DeadLetter, Pending
from rt_edge.spool.spool import Spool
from rt_edge.testkit.spool_bench import make_pending


def open_spool(data: Path, name: str = "hq", max_bytes: int = 2_000_000, when_full: Any = "block") -> Spool:
    return Spool.open(data / "spool" / f"{name}.db", "edge-1", name, SystemClock(), max_bytes, when_full, free_floor=0, reserve=0)


def listed(data: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    assert main(["spool", "ls", "--data", str(data), "--json"]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def test_shows_what_waits_when_a_process_has_the_spool_open(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Lanes with their counts, age, dead letters and gaps, and who has it; nothing is changed."""
    spool = open_spool(tmp_path)
    gap = Pending.gap(Gap("plc/pump-1", "timeout", 1, 2))
    spool.append([make_pending(0, 5), make_pending(5, 3), gap], [DeadLetter("too_large", "Reading(...)")])
    before = (tmp_path / "spool" / "hq.db").read_bytes()
    (one,) = listed(tmp_path, capsys)
    assert (one["spool"], one["node"], one["route"], one["pid"], one["live"]) == ("hq", "edge-1", "hq", os.getpid(), None)
    (lane,) = one["lanes"]
    assert (lane["lane"], lane["records"], lane["readings"], lane["confirmed"], lane["last"]) == ("main", 3, 8, 0, 3)
    assert lane["gaps"] == {"timeout": 1}
    assert lane["dropped"] == {}
    assert 0 <= lane["age"] < 60
    assert one["dead_letters"] == 1
    assert one["latest_dead_letters"][0]["reason"] == "too_large"
    assert (tmp_path / "spool" / "hq.db").read_bytes() == before
    spool.close()


def test_shows_the_rest_when_some_is_confirmed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the peer has confirmed is not waiting any more, once it is deleted."""
    spool = open_spool(tmp_path)
    spool.append([make_pending(0, 5), make_pending(5, 3)])
    spool.confirm(spool.lane(), 1)
    spool.trim()
    spool.close()
    (one,) = listed(tmp_path, capsys)
    (lane,) = one["lanes"]
    assert (lane["records"], lane["readings"], lane["confirmed"], lane["last"], one["pid"]) == (1, 3, 1, 2, None)


def test_names_the_reason_when_readings_were_dropped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A tombstone is counted by its reason, in readings."""
    spool = open_spool(tmp_path, when_full="drop_oldest")
    for n in range(600):
        spool.append([make_pending(n * 10, 10, pad=500)])
    dropped = spool.dropped["drop_oldest"]
    spool.close()
    (one,) = listed(tmp_path, capsys)
    assert one["lanes"][0]["dropped"] == {"drop_oldest": dropped}
    assert main(["spool", "ls", str(tmp_path)]) == 0
    assert f"hq: dropped by drop_oldest: {dropped:,} readings (upstream will be told)" in capsys.readouterr().out


def test_shows_what_was_set_aside_when_a_file_was_damaged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A damaged file that was kept is named, and the gap that says so is counted."""
    spool = open_spool(tmp_path)
    spool.close()
    (tmp_path / "spool" / "hq.db").write_bytes(b"y" * 5000)
    open_spool(tmp_path).close()
    (one,) = listed(tmp_path, capsys)
    assert one["set_aside"] == ["hq.db.broken-1"]
    assert sum(sum(lane["gaps"].values()) for lane in one["lanes"]) == 1
    assert main(["spool", "ls", "--data", str(tmp_path)]) == 0
    assert "hq: set aside, for you to look at: hq.db.broken-1" in capsys.readouterr().out


def test_shows_the_others_when_one_spool_is_damaged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, a line that names the damaged file, and the rows of those that can be read."""
    open_spool(tmp_path, "good").close()
    (tmp_path / "spool" / "bad.db").write_bytes(b"y" * 5000)
    assert main(["spool", "ls", "--data", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("good\tmain\t0\t0\t")
    assert "bad.db cannot be read" in captured.err
    assert len(captured.err.splitlines()) == 1


def test_says_so_when_there_is_no_spool_or_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No spool is no error; a data directory that is not there is one of configuration."""
    assert main(["spool", "ls", "--data", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith(f"no spools in {tmp_path / 'spool'}")
    assert main(["spool", "ls", "--data", str(tmp_path / "none")]) == 3
    assert "there is no data directory" in capsys.readouterr().err


def test_takes_a_configuration_when_it_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The data directory is that of the configuration."""
    config = tmp_path / "node.yaml"
    config.write_text("node: {id: up-a, data: d}\ningress: {listen: '127.0.0.1:0', store: s}\nstores: {s: {kind: sqlite}}\n")
    open_spool(tmp_path / "d").close()
    assert main(["spool", "ls", str(config)]) == 0
    assert capsys.readouterr().out.startswith("hq\tmain\t")

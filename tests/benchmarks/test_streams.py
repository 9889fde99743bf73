"""Goal: the benchmark of the streams works when somebody needs it. Method: run it as a user does, shortened."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks import streams
from benchmarks.harness.stream_cases import ROWS

SCRIPT = Path(streams.__file__)


def shortened(*options: str) -> str:
    """What it prints; it ended with 0 and has nothing to say of errors."""
    done = subprocess.run([sys.executable, str(SCRIPT), *options], check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout


def test_every_library_comes_to_the_same_when_the_benchmark_is_run_quickly(tmp_path: Path) -> None:
    """Each row has a rate of rt_edge and of plain generators, and a verdict; a library that comes to another result ends it."""
    result = tmp_path / "result.json"
    said = shortened("--quick", "--json", str(result))
    rows = {row[""]: row for row in json.loads(result.read_text())["streams"]}
    for name in ("plain generators", "rt_edge"):
        assert all(rows[name][row] > 0 for row in ROWS)
    assert [line.split(":")[0] for line in said.splitlines() if "/s" in line] == list(ROWS)


def test_neither_memory_nor_stack_grows_when_many_elements_pass() -> None:
    """A hundred thousand elements through a chain, a group_by and a merge need what ten thousand need."""
    assert "neither memory nor stack grew" in shortened("--endless", "100000")


def test_verdict_says_so_when_another_library_is_ahead_or_generators_are_too_far() -> None:
    """Behind one, and below half of plain generators, is said in words that a reader finds."""
    best = {"plain generators": 100.0, "rt_edge": 49.0, "other 1": 50.0}
    said = streams.judge("merge of 10", best)
    assert "BEHIND other 1 (0.98" in said
    assert "0.49 of plain generators (TOO FAR)" in said
    said = streams.judge("merge of 10", best | {"rt_edge": 51.0})
    assert "ahead of other 1" in said
    assert "TOO FAR" not in said

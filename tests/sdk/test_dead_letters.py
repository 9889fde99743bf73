"""Dead letters: written whole, or said not to be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rt_edge.data.clock import SystemClock
from rt_edge.data.reading import Reading
from rt_edge.sdk import dead_letters
from rt_edge.sdk.dead_letters import DeadLetterFile

READING = Reading("plc/pump", 1, {"x": "y" * 500})


def test_letters_are_private_lines_when_written(tmp_path: Path) -> None:
    """Each is one JSON object, and the file is its owner's alone."""
    path = tmp_path / "dead.jsonl"
    for _ in range(2):
        DeadLetterFile(path, SystemClock()).add(READING, ValueError("no"), "filter")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["where"] for line in lines] == ["filter", "filter"]
    assert path.stat().st_mode & 0o077 == 0


def test_one_old_file_is_kept_when_the_file_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two files are bounded together."""
    monkeypatch.setattr(dead_letters, "MAX_BYTES", 2_000)
    path = tmp_path / "dead.jsonl"
    for _ in range(20):
        DeadLetterFile(path, SystemClock()).add(READING, ValueError("no"), "filter")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["dead.jsonl", "dead.jsonl.1"]
    assert all(file.stat().st_size <= 2_000 for file in tmp_path.iterdir())


PROGRAM = """
import resource, signal, sys
from pathlib import Path
from tests.sdk.test_dead_letters import READING
from rt_edge.data.clock import SystemClock
from rt_edge.sdk.dead_letters import DeadLetterFile

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))
letters = DeadLetterFile(Path(sys.argv[1]), SystemClock())
for n in range(5):
    try:
        letters.add(READING, ValueError("no"), "filter")
    except OSError as error:
        print(n, error.strerror)
"""


def test_an_error_is_raised_and_no_half_line_stays_when_the_disk_ends_in_the_middle(tmp_path: Path) -> None:
    """A file that may not grow takes whole letters only; for every other one the caller hears of it."""
    path = tmp_path / "dead.jsonl"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)], capture_output=True, text=True, timeout=60, check=True, env=environment
    )
    whole = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(whole) == 2
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["2", "3", "4"]

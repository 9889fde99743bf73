"""Goal: the benchmark of engine and boundary works when somebody needs it. Method: run it as a user does, shortened."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "engine.py"


@pytest.mark.parametrize("table", ["integers", "readings", "boundary"])
def test_every_peer_comes_to_the_same_when_the_benchmark_is_run_quickly(tmp_path: Path, table: str) -> None:
    """It ends with 0 (all peers came to the same sum), says nothing of errors, names the aim, and writes what it measured."""
    result = tmp_path / "result.json"
    command = [sys.executable, str(SCRIPT), "--quick", "--only", table, "--json", str(result)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"aim, {table}: " in done.stdout
    rows = json.loads(result.read_text())[table]
    rate = "Readings/s" if table == "boundary" else "elements/s"
    assert rows
    assert all(row[rate] > 0 for row in rows)

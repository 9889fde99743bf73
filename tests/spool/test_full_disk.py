"""A file system that is really full: a tmpfs of 18 MB, in a mount namespace of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, subprocess, sys
from pathlib import Path
from rt_edge.data.clock import SystemClock
from rt_edge.data.errors import TransientError
from rt_edge.spool.spool import Spool
from rt_edge.testkit.spool_bench import counted, drain, make_pending
folder = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=18m", "tmpfs", folder], check=True)
def opened():
    return Spool.open(folder / "hq.db", "n1", "hq", SystemClock(), 50_000_000, free_floor=0)
spool, n, got = opened(), 0, []
for round_ in range(4):
    refused, before = 0, n
    while refused < 4:
        try:
            spool.append([make_pending(n, 1, 20_000)])
            n += 1
        except TransientError:
            refused += 1
    assert n - before > 100, f"round {round_}: {n - before} records before it was full"
    if round_ % 2:
        spool.close()
        spool = opened()
    got += counted(drain(spool))
    assert spool.ls().findings == []
    assert got == list(range(n)), f"round {round_}"
spool.close()
print(n, "records through a full disk")
"""


def test_it_drains_and_fills_again_when_the_disk_is_really_full(tmp_path: Path) -> None:
    """On a full file system everything acknowledged is delivered once and in order, deleted, and its room used again."""
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*unshare, "mount", "-t", "tmpfs", "tmpfs", tmp_path], capture_output=True, check=False).returncode:
        pytest.skip(
            "no mount namespace may be made here: the full disk was not tested for real (test_io_failures has it simulated)"
        )
    done = subprocess.run([*unshare, sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stderr

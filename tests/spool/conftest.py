"""Where the tests of the spool keep their files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def ram_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: for tests that sync thousands of times and do not test the disk.

    What a killed process has written is in the page cache either way, so kills are as real there as on a disk.
    """
    ram = Path("/dev/shm")
    if not os.access(ram, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=ram, prefix="rt-edge-test-") as folder:
        yield Path(folder)

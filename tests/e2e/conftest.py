"""Shared by the tests of whole nodes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from e2e_world import World


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    made.end()

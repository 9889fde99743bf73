"""Settings as a running node has them, an instrument, and a context under hand-wound time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from adapters.serial.settings import SerialSettings
from rt_edge.settings.frozen import freeze
from rt_edge.settings.validate import melt
from rt_edge.testkit.adapter_harness import RecordingContext
from rt_edge.testkit.simulated_time import SimulatedTime


@pytest.fixture(name="settings")
def _settings() -> Callable[..., Any]:
    """Validated and frozen settings of what a user wrote."""
    return lambda **written: freeze(melt(SerialSettings.model_validate(written)))


@pytest.fixture(name="time")
def _time() -> SimulatedTime:
    return SimulatedTime()


@pytest.fixture(name="context")
def _context(tmp_path: Path, time: SimulatedTime) -> RecordingContext:
    return RecordingContext(tmp_path, "lab", time, Random(7))

"""What tests of the kit share: silence. They break rules on purpose, and each break is logged with a traceback."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def no_logs() -> Iterator[None]:
    """Nothing is logged: formatting the tracebacks takes longer than the tests."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(before)

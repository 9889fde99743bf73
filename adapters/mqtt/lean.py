"""Importing a library without a module that it names, and that nothing here uses: memory of every process of a node."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def without(name: str) -> Iterator[None]:
    """What is imported inside finds an empty module `name`, unless the real one is loaded already; afterwards nothing has changed
    for others."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = ModuleType(name)
    try:
        yield
    finally:
        del sys.modules[name]

"""Dead letters of a source: what failed too often, kept where a person can read it, in a bounded file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from rt_edge.data.clock import Clock

MAX_BYTES = 4_000_000
"""Size at which the file becomes `<name>.1` (one old file is kept)."""


class DeadLetterFile:
    """JSON lines, each synced to disk before the element counts as settled.

    Args:
        path: the file; its folder exists.
        clock: for the time of death.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    def add(self, element: Any, error: BaseException, where: str) -> None:
        """Write one element, with the reason; returns when it is durable.

        Raises:
            OSError: the disk refused it.
        """
        line = msgspec.json.encode(
            {"at": self._clock.wall_ns(), "where": where, "error": repr(error), "element": msgspec.to_builtins(element)}
        )
        if self._path.exists() and self._path.stat().st_size + len(line) > MAX_BYTES:
            self._path.replace(self._path.with_suffix(self._path.suffix + ".1"))
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

"""Dead letters of a source: what failed too often, kept where a person can read it, in a bounded file."""

from __future__ import annotations

import errno
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
        new = not self._path.exists()
        if not new and self._path.stat().st_size + len(line) > MAX_BYTES:
            self._path.replace(self._path.with_suffix(self._path.suffix + ".1"))
            new = True
        _append(self._path, line + b"\n")
        if new:
            _sync(self._path.parent)  # else a power cut could take the file's name along


def _append(path: Path, data: bytes) -> None:
    """Add `data` whole, or raise; synced."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        before = os.fstat(descriptor).st_size
        written = os.write(descriptor, data)
        if written != len(data):  # the disk became full in the middle: half a line would pass for a whole one
            os.ftruncate(descriptor, before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

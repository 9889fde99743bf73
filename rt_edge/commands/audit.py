"""AuditLog: one line of JSON for each command that ended or was refused: who, from where, what, old value, result.

Append-only, synced, mode 0600, rotated, under a lock of the file: several processes may write to one. It has values of points,
and nothing of the settings: no secrets.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from rt_edge.commands.command import Row
from rt_edge.data.reading import Value

MAX_BYTES = 1_000_000
"""A file that has reached this is renamed to `.1`, `.1` to `.2`, and so on."""

FILES = 5
"""Files kept, the current one among them."""

TEXT = 200
"""Characters of a text in a line, at most."""


class AuditLog:
    """The audit log of one adapter, or of what comes to none.

    Args:
        path: `NAME.audit.jsonl`.
        adapter: its name, in each line; empty: the point has it.
    """

    def __init__(self, path: Path, adapter: str, max_bytes: int = MAX_BYTES, files: int = FILES) -> None:
        self._path, self._adapter = path, adapter
        self._max, self._files = max_bytes, files

    def write(self, row: Row, note: str = "", node: str = "") -> None:
        """Add a line, on the disk when this returns.

        Raises:
            OSError: it could not be written.
        """
        line = msgspec.json.encode(self.line(row, note, node)) + b"\n"
        with self._locked() as fd:
            os.write(fd, line)
            os.fsync(fd)
            if os.fstat(fd).st_size >= self._max:
                self._rotate()

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The current file, which nobody else writes to or renames meanwhile."""
        while True:
            fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                if self._is_current(fd):
                    yield fd
                    return
            finally:
                os.close(fd)  # and with it the lock

    def _is_current(self, fd: int) -> bool:
        """Whether it has not been rotated away by another process since it was opened."""
        try:
            there = self._path.stat(follow_symlinks=False)
        except FileNotFoundError:
            return False
        mine = os.fstat(fd)
        return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)

    def line(self, row: Row, note: str = "", node: str = "") -> Mapping[str, object]:
        """What a line says."""
        command = row.command
        said: dict[str, object] = {
            "time": _time(row.ended or row.arrived),
            "via": command.via,
            "who": command.who[:TEXT],
            "where": command.where[:TEXT],
            "adapter": self._adapter,
            "point": command.point[:TEXT],
            "value": _plain(command.value),
            "old": _plain(row.old),
            "result": row.state if not command.dry_run or row.state == "refused" else "dry_run",
            "message": row.message[:TEXT],
            "key": command.key[:TEXT],
            "priority": command.priority,
            "asked": _time(row.arrived),
        }
        if row.value is not None:
            said["read_back"] = _plain(row.value)
        if node:
            said["node"] = node[:TEXT]
        if note:
            said["note"] = note[:TEXT]
        return said

    def _rotate(self) -> None:
        for number in range(self._files - 1, 0, -1):
            older = self._numbered(number)
            newer = self._numbered(number - 1)
            if newer.exists():
                newer.replace(older)

    def _numbered(self, number: int) -> Path:
        return self._path if number == 0 else self._path.with_name(f"{self._path.name}.{number}")


def _plain(value: Value | None) -> object:
    if isinstance(value, bytes):
        return value[: TEXT // 2].hex()
    return value[:TEXT] if isinstance(value, str) else value


def _time(wall: int) -> str:
    return dt.datetime.fromtimestamp(wall / 1e9, dt.UTC).isoformat(timespec="milliseconds")

"""Facts about the file system, as a parameter, and the reserve that is given up when a disk is full."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol


class Disk(Protocol):
    """What a spool asks of the file system besides SQLite's own reading and writing."""

    def free_bytes(self, folder: Path) -> int:
        """Bytes an unprivileged process may still write there."""
        ...

    def allocate(self, path: Path, size: int) -> None:
        """Make `path` occupy `size` bytes of disk; raises OSError and leaves nothing behind when there is no room."""
        ...


class SystemDisk:
    """The real file system."""

    def free_bytes(self, folder: Path) -> int:
        """`statvfs`: blocks available without privilege."""
        facts = os.statvfs(folder)
        return facts.f_bavail * facts.f_frsize

    def allocate(self, path: Path, size: int) -> None:
        """`posix_fallocate`."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(fd, 0, size)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(fd)


class Reserve:
    """Disk space kept in a file of zeros, so that confirmed records can be deleted (which writes) on a full disk.

    Args:
        path: the file.
        size: bytes; 0: no reserve.
        disk: file system.
    """

    def __init__(self, path: Path, size: int, disk: Disk) -> None:
        self._path = path
        self._size = size
        self._disk = disk
        self.held = False

    @property
    def missing(self) -> int:
        """Bytes that have to stay free in its stead while it is given up: they are for deleting, not for appending."""
        return 0 if self.held else self._size

    def take(self, above: int) -> bool:
        """Allocate it, if more than `above` bytes stay free; returns whether it is there."""
        if not self._size:
            return False
        if not self.held and self._path.exists() and self._path.stat().st_size == self._size:
            self.held = True
        if not self.held and self._disk.free_bytes(self._path.parent) - self._size > above:
            try:
                self._disk.allocate(self._path, self._size)
            except OSError:
                return False  # no room for it now; asked again after the next confirmation
            self.held = True
        return self.held

    def give_up(self) -> bool:
        """Free its space; returns whether there was some."""
        had = self.held or self._path.exists()
        self._path.unlink(missing_ok=True)
        self.held = False
        return had

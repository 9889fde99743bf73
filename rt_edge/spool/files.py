"""The files of one spool, and setting damaged ones aside."""

from __future__ import annotations

import os
import struct
from pathlib import Path

KEEP_BROKEN = 3
"""Damaged files kept for a person to look at; the oldest goes when one more is set aside."""

WAL_HEADER = 32
_WAL_MAGIC = (0x377F0682, 0x377F0683)


class Files:
    """Names of everything that belongs to the spool at `path`."""

    def __init__(self, path: Path) -> None:
        self.db = path
        self.wal = path.with_name(path.name + "-wal")
        self.shm = path.with_name(path.name + "-shm")
        self.lock = path.with_name(path.name + ".lock")
        self.reserve = path.with_name(path.name + ".reserve")
        self.new = path.with_name(path.name + ".new")
        self.found = path.with_name(path.name + ".found")
        """What was found and has not been said in the stream so far; outlives a crash between the two."""

    def broken(self) -> list[Path]:
        """What was set aside, oldest first."""
        return sorted(
            (p for p in self.db.parent.glob(f"{self.db.name}.broken-*") if p.name.rpartition("-")[2].isdigit()),
            key=lambda p: int(p.name.rpartition("-")[2]),
        )

    def set_aside(self, word: str = "broken") -> Path:
        """Rename database and WAL to `<name>.db.<word>-<n>`; only the last `KEEP_BROKEN` of the broken are kept."""
        taken = [int(n) for p in self.db.parent.glob(f"{self.db.name}.{word}-*") if (n := p.name.rpartition("-")[2]).isdigit()]
        aside = self.db.with_name(f"{self.db.name}.{word}-{max(taken, default=0) + 1}")
        if self.wal.exists():
            self.wal.rename(aside.with_name(aside.name + "-wal"))
        self.shm.unlink(missing_ok=True)
        if self.db.exists():
            self.db.rename(aside)
        else:
            aside.touch()
        for old in self.broken()[:-KEEP_BROKEN]:
            old.unlink(missing_ok=True)
            old.with_name(old.name + "-wal").unlink(missing_ok=True)
        self.sync_folder()
        return aside

    def set_wal_aside(self) -> Path:
        """Keep a damaged WAL beside an empty `broken-<n>`, leave the database where it is."""
        taken = [int(p.name.rpartition("-")[2]) for p in self.broken()]
        aside = self.db.with_name(f"{self.db.name}.broken-{max(taken, default=0) + 1}")
        aside.touch()
        self.wal.rename(aside.with_name(aside.name + "-wal"))
        self.shm.unlink(missing_ok=True)
        self.sync_folder()
        return aside

    def install_new(self) -> None:
        """Put the salvaged database in place."""
        self.new.rename(self.db)
        self.sync_folder()

    def drop_new(self) -> None:
        """Delete a salvage that was not finished."""
        for suffix in ("", "-wal", "-shm", "-journal"):
            self.new.with_name(self.new.name + suffix).unlink(missing_ok=True)

    def sync_folder(self) -> None:
        """Make names durable."""
        fd = os.open(self.db.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def wal_damaged(self) -> bool:
        """Whether there is a WAL that SQLite would silently take for an empty one: its header is wrong.

        Format: sqlite.org/fileformat2.html, 4.1: magic, version, page size, sequence, salts, checksum over the first 24 bytes.
        """
        if not self.wal.exists() or self.wal.stat().st_size == 0:
            return False
        with self.wal.open("rb") as file:
            header = file.read(WAL_HEADER)
        if len(header) < WAL_HEADER:
            return True
        magic = int.from_bytes(header[:4], "big")
        if magic not in _WAL_MAGIC:
            return True
        words = struct.unpack((">" if magic & 1 else "<") + "6I", header[:24])
        s0 = s1 = 0
        for x, y in zip(words[::2], words[1::2], strict=True):
            s0 = (s0 + x + s1) & 0xFFFFFFFF
            s1 = (s1 + y + s0) & 0xFFFFFFFF
        return struct.unpack(">2I", header[24:32]) != (s0, s1)

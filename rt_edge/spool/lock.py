"""One writer per spool: a lock file under flock, with who holds it."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import msgspec

from rt_edge.spool.errors import SpoolInUse, SpoolUnusable


class Holder(msgspec.Struct, frozen=True):
    """What the lock file says of who has it."""

    pid: int
    incarnation: str


class Lock:
    """An exclusive flock on a file, held until `release` or the end of the process.

    Args:
        path: the lock file; created if it is not there, never deleted (a deleted lock file can be locked twice).
        incarnation: token of this life, written into the file.

    Raises:
        SpoolInUse: another process holds it; the message names its pid.
        SpoolUnusable: the file cannot be created or opened for writing.
    """

    def __init__(self, path: Path, incarnation: str) -> None:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SpoolUnusable(
                f"{path.parent} cannot be written: {error.strerror}", "give the node a data directory on a writable file system"
            ) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            who = _who(fd)
            os.close(fd)
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise SpoolInUse(f"{path.stem} is in use by {who}", "stop that process first") from error
            raise SpoolUnusable(f"{path} cannot be locked: {error.strerror}", "use a local file system") from error
        self._fd: int | None = fd
        try:
            os.ftruncate(fd, 0)
            os.pwrite(fd, msgspec.json.encode(Holder(os.getpid(), incarnation)), 0)
        except OSError as error:
            # The lock itself needs no space; only the message to a second opener is poorer on a full disk.
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                self.release()
                raise SpoolUnusable(f"{path} cannot be written: {error.strerror}") from error

    def release(self) -> None:
        """Let go; idempotent."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _who(fd: int) -> str:
    try:
        holder = msgspec.json.decode(os.pread(fd, 4096, 0), type=Holder)
    except (OSError, msgspec.MsgspecError):
        return "another process (it could not say which)"
    return f"process {holder.pid} (incarnation {holder.incarnation})"


def holder(path: Path) -> int | None:
    """The pid of the process that holds the lock at `path`, 0 if it could not say, None if nobody holds it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        try:
            return msgspec.json.decode(os.pread(fd, 4096, 0), type=Holder).pid
        except msgspec.MsgspecError:
            return 0
    else:
        return None
    finally:
        os.close(fd)

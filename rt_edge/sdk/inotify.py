"""inotify(7) on the asyncio loop: which names of some directories have changed; no thread, no polling, no library.

The standard library has no inotify; these are its three calls, by ctypes. Linux only, as all of rt_edge is.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

IN_ATTRIB = 0x4
IN_MOVED_FROM = 0x40
IN_MOVED_TO = 0x80
IN_CREATE = 0x100
IN_DELETE = 0x200
IN_DELETE_SELF = 0x400
IN_MOVE_SELF = 0x800
IN_IGNORED = 0x8000
IN_ONLYDIR = 0x0100_0000
CHANGES = IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR
"""What may make a path appear, be permitted, or lead elsewhere; a closed or written file does not."""

READ_BYTES = 4096
"""Of one read: at least 15 events with the longest names; the loop comes again for what is left."""

_EVENT = struct.Struct("iIII")  # wd, mask, cookie, len; then the name, padded with zeros to len


class Inotify:
    """An inotify instance, read by the running loop.

    Args:
        changed: called with the changes that came, as directory and name; the name is empty where the directory itself has
            changed, and both are where the kernel's queue was full: anything may have.

    Raises:
        OSError: there is none to be had: EMFILE (`fs.inotify.max_user_instances`, or the process' own limit), ENOSYS.
    """

    def __init__(self, changed: Callable[[list[tuple[str, str]]], None]) -> None:
        self._changed = changed
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._loop = asyncio.get_running_loop()
        self._folders: dict[int, str] = {}
        self._fd = self._call("inotify_init1", os.O_NONBLOCK | os.O_CLOEXEC)  # IN_NONBLOCK, IN_CLOEXEC are these
        try:
            self._loop.add_reader(self._fd, self._readable)
        except BaseException:
            os.close(self._fd)
            raise

    def add(self, folder: Path) -> None:
        """Watch a directory; once more is as once.

        Raises:
            OSError: ENOENT, ENOTDIR: it is not there (any more); EACCES: it may not be read; ENOSPC: too many
                (`fs.inotify.max_user_watches`).
        """
        watch = self._call("inotify_add_watch", self._fd, os.fsencode(folder), CHANGES)
        self._folders[watch] = str(folder)

    def keep(self, folders: set[str]) -> None:
        """Watch no others than these any more."""
        for watch in [watch for watch, folder in self._folders.items() if folder not in folders]:
            del self._folders[watch]
            self._libc.inotify_rm_watch(self._fd, watch)  # EINVAL: it has gone by itself, with its directory

    def _call(self, name: str, *args: int | bytes) -> int:
        result = int(getattr(self._libc, name)(*args))
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return result

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return
        self._changed(list(self._events(data)))

    def _events(self, data: bytes) -> Iterator[tuple[str, str]]:
        at = 0
        while at < len(data):
            watch, mask, _, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size + length
            name = os.fsdecode(data[at - length : at].rstrip(b"\0"))
            if watch < 0:  # IN_Q_OVERFLOW
                yield "", ""
            elif watch in self._folders:  # else of a watch that is no longer kept
                yield self._folders[watch], name
                if mask & IN_IGNORED:  # its directory has gone, and the watch with it
                    del self._folders[watch]

    def close(self) -> None:
        """Give it back; idempotent."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            self._loop.remove_reader(fd)
            os.close(fd)

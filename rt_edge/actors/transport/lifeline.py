"""What ties the processes of a node to its main process: two pipes made before the first fork.

- The *lifeline*: its writing end is held by the main process alone. The admin reads the other end: end of file means that the
  main process is gone, and the admin ends itself at once. The admin needs this because it double-forks, so that a
  parent-death signal would come when the process between them exits. All other processes have that signal.
- The *roll*: every process writes one line `role pid name` when its transport starts; the main process learns who there is.
  The guardian's reports for the service manager come the same way, as lines of the role `report`.
"""

from __future__ import annotations

import ctypes
import os
import signal
from typing import ClassVar

from rt_edge.actors.transport.entry import LoopEntry
from rt_edge.data.errors import InternalError

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise InternalError(f"prctl({option}, {value}) failed: {os.strerror(code)}")


def die_with_parent(parent: int) -> None:
    """Ask the kernel to SIGKILL this process when its parent ends; end at once when it has ended already.

    Args:
        parent: process id that the parent had when it forked.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def become_subreaper() -> None:
    """Orphans among the descendants of this process become its children, so that it can reap them.

    Process 1 of a container has them anyway, and is not made to ask: qemu-user, which runs such containers on other machines,
    does not know the question.
    """
    if os.getpid() != 1:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)


REPORT = "report"
"""The role of a line in the roll that is no process, but something for the service manager."""

_REPORT_BYTES = 1000  # far below PIPE_BUF: a line is written whole or not at all


class Lifeline:
    """Both pipes; made by the main process, inherited by fork."""

    __slots__ = ("_alive_read", "_alive_write", "_roll_read", "_roll_write")

    _open: ClassVar[list[Lifeline]] = []
    """Of this process: one for each system that it has started."""

    def __init__(self) -> None:
        self._alive_read, self._alive_write = os.pipe2(os.O_CLOEXEC)
        self._roll_read, self._roll_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        Lifeline._open.append(self)

    def in_child(self) -> None:
        """Drop the main process's ends, of this lifeline and of its other systems', which this process would keep alive; to
        be called once in the first process forked from it."""
        for lifeline in Lifeline._open:
            lifeline.drop_ends(whole=lifeline is not self)
        Lifeline._open.clear()

    def drop_ends(self, whole: bool) -> None:
        """Close the main process's ends in this process, or all four."""
        ends = (self._alive_write, self._roll_read, self._alive_read, self._roll_write)
        for end in ends if whole else ends[:2]:
            os.close(end)

    def watch(self) -> LoopEntry:
        """An entry for the admin's loop that ends the process when the main process is gone."""
        return _Watch(self._alive_read)

    def announce(self, role: str, name: str = "-") -> None:
        """Write this process into the roll. A full pipe (nobody reads) or a main process that is gone is no error here."""
        self._write(f"{role} {os.getpid()} {'_'.join(name.split())[:80] or '-'}")

    def report(self, state: str) -> None:
        """Have the main process tell the service manager, e.g. `READY=1` or `STATUS=3 of 3 islands run`: one line. As with
        `announce`, it is lost if nobody reads."""
        self._write(f"{REPORT} {os.getpid()} {' '.join(state.split())}")

    def _write(self, line: str) -> None:
        try:
            os.write(self._roll_write, line.encode()[:_REPORT_BYTES] + b"\n")
        except (BlockingIOError, BrokenPipeError):
            return

    def roll(self) -> list[tuple[str, int, str]]:
        """`(role, pid, name)` of who has announced itself since the last call, and `(REPORT, pid, state)`; does not block.
        Main process only."""
        data = b""
        while True:
            try:
                part = os.read(self._roll_read, 65536)
            except BlockingIOError:
                break
            if not part:
                break
            data += part
        lines = [line.split(" ", 2) for line in data.decode(errors="replace").splitlines()]
        return [(role, int(pid), name) for role, pid, name in lines]

    def roll_fileno(self) -> int:
        """Readable when somebody has announced itself."""
        return self._roll_read

    def close(self) -> None:
        """Let go: the admin ends, and with it all others. Main process only."""
        Lifeline._open.remove(self)
        for end in (self._alive_read, self._alive_write, self._roll_read, self._roll_write):
            os.close(end)


class _Watch(LoopEntry):
    """Readable means end of file means: the main process is gone."""

    def __init__(self, read_end: int) -> None:
        self._read_end = read_end

    def fileno(self) -> int:
        return self._read_end

    def ready(self) -> None:
        if not os.read(self._read_end, 1):
            os.kill(os.getpid(), signal.SIGKILL)  # no clean-up that could hang; the others die by the parent-death signal

"""A process that outlives the demo by a moment: when the demo ends, however it ends, it leaves no process and no file behind.

It waits for the end of its stdin, which is a pipe that only the demo holds: the kernel closes it even after kill -9. Then it
kills every process of the demo, which it knows by the demo's folder in their environment or command line, and removes the folder.
Standard library only, so that it is there in a moment.
"""

from __future__ import annotations

import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

MARK = "RT_EDGE_DEMO"
"""Environment variable of all processes of a demo: its folder."""

ROUNDS = 20
"""A process may be forking while it is looked for: look again, so often at most."""

END_MS = 5000


class Workshop:
    """The folder of a demo, and the janitor that clears it away; a context manager.

    Args:
        keep: leave the folder where it is; processes are ended all the same.

    Attributes:
        folder: readable by this user only.
    """

    def __init__(self, keep: bool = False) -> None:
        self.folder = Path(tempfile.gettempdir()) / f"rt-edge-demo-{secrets.token_hex(4)}"
        self._keep = keep
        self._janitor: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", __name__, str(self.folder), "keep" if self._keep else "remove"]
        # Before the folder is made: whatever happens from now on, somebody removes it. In a session of its own, as Ctrl-C goes
        # to all processes of the terminal's.
        self._janitor = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603  # ourselves
        self.folder.mkdir(mode=0o700)
        os.environ[MARK] = str(self.folder)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.environ.pop(MARK, None)
        janitor = self._janitor
        if janitor is not None and janitor.stdin is not None:
            janitor.stdin.close()
            janitor.wait()


def processes_of(folder: Path) -> list[int]:
    """The processes that belong to the demo in `folder`, but for this one; processes of other users are not looked at."""
    mark, name = f"{MARK}={folder}".encode(), str(folder).encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended, or is another user's
        if mark in environment or any(word == name or word.startswith(name + b"/") for word in words):
            found.append(int(entry.name))
    return found


def end_all(folder: Path) -> int:
    """SIGKILL for all processes of the demo in `folder`, until none is found; returns how many there were."""
    count = 0
    for _ in range(ROUNDS):
        handles = []
        for pid in processes_of(folder):
            try:
                handles.append(os.pidfd_open(pid))
                signal.pidfd_send_signal(handles[-1], signal.SIGKILL)
            except ProcessLookupError:
                continue
        count += len(handles)
        for handle in handles:
            waiting = select.poll()
            waiting.register(handle, select.POLLIN)
            waiting.poll(END_MS)
            os.close(handle)
        if not handles:
            break
    return count


def main(argv: list[str]) -> int:
    """Wait for the end of stdin, then clear away."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    folder = Path(argv[0])
    while os.read(0, 4096):
        pass
    end_all(folder)
    if argv[1] == "remove":
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

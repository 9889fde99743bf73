"""Temporary folders of programs that may be killed: what one leaves behind at kill -9 is removed by the next one that starts."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scratch_folder(prefix: str) -> Iterator[Path]:
    """A folder of this user's only, removed at the end; before, those of the same prefix whose program is gone are.

    Args:
        prefix: of its name, of this use only: `rt-edge-ble-`.
    """
    sweep(prefix)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix))
        held = _hold(folder)
        if held is not None:
            break
        # another one that starts took it for a dead one's, between these two lines
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def sweep(prefix: str) -> list[Path]:
    """Remove the folders of this prefix and user that no process holds; returns which."""
    gone = []
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        try:
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
        except FileNotFoundError:
            continue
        held = _hold(folder)
        if held is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(held)
            gone.append(folder)
    return gone


def _hold(folder: Path) -> int | None:
    """Lock it until the descriptor is closed, by whatever ends the process; None: somebody else holds it, or it is gone."""
    try:
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if folder.exists():
            return held
    except BlockingIOError:
        pass  # its program lives
    os.close(held)
    return None

"""The end of a wait when a port appears: a cable that is put back is tried at once, and not when the backoff has run down.

The runtime waits; an adapter only says which path there is while its device is (`DeviceAdapter.awaited`). udev makes the node,
then sets its rights, then its names: each of these counts.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from rt_edge.data.clock import Clock
from rt_edge.sdk.inotify import Inotify

EARLY_FIRST_S = 0.25
"""At least so long after an early try the next early one may come; doubles with each."""
EARLY_LAST_S = 30.0
"""Upper bound of that pause; less than `CALM_S`."""
CALM_S = 60.0
"""After so long without an early try the next one is the first again: an hour with a loose cable does not count next week."""
MAX_HOPS = 8
"""Symbolic links that are followed from the path of a port; udev's names are one."""

_GONE = (errno.ENOENT, errno.ENOTDIR)

Seen = tuple[int, ...] | None


class Haste:
    """When an early try may come: a cable with a loose contact must not have the port tried as often as it sparks."""

    def __init__(self) -> None:
        self._count = 0
        self._last = 0.0

    def pause(self, now: float) -> float:
        """Seconds from `now` on until an early try may come."""
        if self._count == 0:
            return 0.0
        least: float = min(EARLY_LAST_S, EARLY_FIRST_S * 2 ** min(self._count - 1, 30))
        return max(0.0, self._last + least - now)

    def took(self, now: float) -> bool:
        """An early try comes now; whether it is the first after a calm time."""
        first = self._count == 0 or now - self._last >= CALM_S
        self._count = 1 if first else self._count + 1
        self._last = now
        return first


def look(path: Path) -> Seen:
    """What a path is now; two looks differ where it was made again, leads elsewhere or got other rights. None: nothing."""
    try:
        name, there = path.lstat(), path.stat()
    except OSError:
        return None
    return (name.st_ino, name.st_ctime_ns, there.st_dev, there.st_ino, there.st_rdev, there.st_ctime_ns)


def places(path: Path) -> list[tuple[Path, str]]:
    """Where a change may make `path` appear or change: directories that are there, and the name in each. One for the path itself
    and one for each link that it leads over; the last is the nearest that is there, where the way breaks off."""
    found: list[tuple[Path, str]] = []
    for _ in range(1 + MAX_HOPS):
        folder, name = path.absolute().parent, path.name
        while not folder.is_dir() and folder != folder.parent:
            folder, name = folder.parent, folder.name
        folder = folder.resolve()  # what a link names is relative to where the link really is
        found.append((folder, name))
        try:
            path = folder / (folder / name).readlink()
        except OSError:  # no link, or not there: the way ends here
            break
    return found


class HotPlug:
    """Waits between two tries of a port, and no longer than until it appears.

    Args:
        path: of the port, as it is configured.
        clock: time.
        complain: told once in words, if appearing cannot be noticed.
    """

    def __init__(self, path: Path, clock: Clock, complain: Callable[[str], None]) -> None:
        self.path = path
        self._clock = clock
        self._complain = complain
        self._complained = False
        self._haste = Haste()
        self._tried: Seen = None

    def trying(self) -> None:
        """It is about to be opened: what is there now is no news afterwards."""
        self._tried = look(self.path)

    async def wait(self, seconds: float) -> Literal["over", "early", "anew"]:
        """Wait, at most so long.

        Returns:
            `over`: nothing appeared; `early`: something did; `anew`: something did, for the first time since long.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._appears()
        except TimeoutError:
            return "over"
        return "anew" if self._haste.took(self._clock.monotonic()) else "early"

    async def _appears(self) -> None:
        """Returns when there is something that was not tried yet; never, if that cannot be noticed."""
        changed = asyncio.Event()
        watch: Watch | None = None
        try:
            watch = Watch(self.path, changed.set)
            while True:
                changed.clear()
                watch.follow()
                now = look(self.path)
                if now is None or now == self._tried:
                    self._tried = now
                    await changed.wait()
                else:
                    pause = self._haste.pause(self._clock.monotonic())
                    await asyncio.sleep(pause)  # also 0: others have their turn
                    if not pause:
                        return
                    # else look again: it may have gone
        except OSError as error:
            self._say(error)
        finally:
            if watch is not None:
                watch.close()
        await asyncio.get_running_loop().create_future()

    def _say(self, error: OSError) -> None:
        if not self._complained:
            self._complained = True
            hint = "; sysctl fs.inotify says the limits" if error.errno in (errno.EMFILE, errno.ENOSPC) else ""
            self._complain(f"when {self.path} appears cannot be noticed ({error.strerror}{hint}): it is tried with backoff only")


class Watch:
    """Tells when something changes on the way to a path.

    Args:
        path: that may be there or not.
        changed: called then.

    Raises:
        OSError: that cannot be noticed.
    """

    def __init__(self, path: Path, changed: Callable[[], None]) -> None:
        self._path = path
        self._report = changed
        self._names: set[tuple[str, str]] = set()
        self._inotify = Inotify(self._changed)

    def follow(self) -> None:
        """Watch the way as it is now. Another one is looked for as long as it changes meanwhile.

        Raises:
            OSError: it cannot be watched.
        """
        for _ in range(100):
            way = places(self._path)
            try:
                for folder, _ in way:
                    self._inotify.add(folder)
            except OSError as error:
                if error.errno in _GONE:
                    continue
                raise
            if places(self._path) == way:
                break
        self._names = {(str(folder), name) for folder, name in way}
        self._inotify.keep({str(folder) for folder, _ in way})

    def _changed(self, changes: list[tuple[str, str]]) -> None:
        if any(not name or (folder, name) in self._names for folder, name in changes):
            self._report()

    def close(self) -> None:
        """Idempotent."""
        self._inotify.close()

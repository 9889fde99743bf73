"""The wait for a port ends when it appears: real directories, links, pseudo-terminals and inotify."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import pytest

from rt_edge.data.clock import SystemClock
from rt_edge.sdk import Capability, DeviceAdapter, TransientError, hotplug
from rt_edge.sdk.hotplug import EARLY_LAST_S, Haste, HotPlug
from rt_edge.sdk.runner import AdapterRunner
from rt_edge.testkit.waiting import until

LONG_S = 60.0
"""Longest wait of the backoff; what is to come at once must come long before."""


class Longest(Random):
    """Each wait is as long as any may be."""

    def uniform(self, a: float, b: float) -> float:
        return LONG_S


class Wound(SystemClock):
    """Stands still unless it is moved."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


class Port(DeviceAdapter):
    """Opens a path; one without the owner's right to write is refused, also to root, whom the kernel lets in."""

    kind: ClassVar[str] = "port"

    def __init__(self, context: AdapterRunner, path: Path) -> None:
        super().__init__(None, context)
        self.path = path
        self.refused = 0
        self._fd = -1

    @classmethod
    def settings_model(cls) -> type[Any]:
        raise NotImplementedError

    @classmethod
    def capability(cls, settings: Any) -> Capability:
        return Capability("polled", "native")

    def awaited(self) -> Path:
        return self.path

    async def open(self) -> None:
        try:
            if not self.path.stat().st_mode & 0o200:
                self.refused += 1
                raise TransientError("permission denied")
            self._fd = os.open(self.path, os.O_RDWR | os.O_NOCTTY)
        except OSError as error:
            raise TransientError(str(error)) from error

    def demand(self, n: int) -> None:
        """It has nothing."""

    async def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


def runner(path: Path, folder: Path) -> tuple[AdapterRunner, Port]:
    """With a backoff of a minute from the first time on."""
    made = AdapterRunner("plc", lambda context: Port(context, path), SystemClock(), Longest(), folder)
    assert isinstance(made.adapter, Port)
    return made, made.adapter


def descriptors() -> list[str]:
    """What this process has open."""
    found = []
    for fd in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(fd.readlink()))
        except FileNotFoundError:  # that of the listing itself
            continue
    return sorted(found)


def watching() -> bool:
    return "anon_inode:inotify" in descriptors()


@pytest.fixture(name="pty")
def _pty() -> Iterator[Path]:
    """The path of a pseudo-terminal."""
    master, slave = os.openpty()
    yield Path(os.ttyname(slave))
    os.close(master)
    os.close(slave)


def say(port: Path) -> None:
    """Another program writes."""
    port.write_bytes(b"taken")


def set_rights(port: Path, mode: int) -> None:
    port.chmod(mode)


def as_udev_does(link: Path, target: Path) -> None:
    """A link under another name that is then renamed."""
    other = link.with_name(".#tmp")
    other.symlink_to(target)
    other.rename(link)


def in_folders_of_its_own(link: Path, target: Path) -> None:
    """/dev/serial and /dev/serial/by-id come with the first port."""
    link.parent.mkdir(parents=True)
    link.symlink_to(os.path.relpath(target, link.parent))


def behind_another_name(link: Path, target: Path) -> None:
    """The link is there and leads nowhere yet."""
    (link.parent.parent / "ttyUSB0").symlink_to(target)


@pytest.mark.parametrize("comes", [Path.symlink_to, as_udev_does, in_folders_of_its_own, behind_another_name])
def test_port_is_opened_at_once_when_its_name_appears(comes: Callable[[Path, Path], None], pty: Path, tmp_path: Path) -> None:
    """However the name comes into being, and whatever of its path was there before."""
    link = tmp_path / "dev/serial/by-id"
    if comes is in_folders_of_its_own:
        (tmp_path / "dev").mkdir()
    else:
        link.mkdir(parents=True)
    link /= "usb-FTDI_1"
    if comes is behind_another_name:
        link.symlink_to("../ttyUSB0")

    async def work() -> None:
        life, _ = runner(link, tmp_path)
        life.start()
        await until(lambda: life.state == "waiting" and watching())
        comes(link, pty)
        await until(lambda: life.state == "open", within=5)
        assert not watching()
        assert life.counters["early_tries"] == 1
        await life.stop()

    run(work())


def test_port_is_opened_at_once_when_its_folder_had_gone_meanwhile(pty: Path, tmp_path: Path) -> None:
    """/dev/serial/by-id goes with the last port: the watch moves to the parent that is left, and back, several times."""
    link = tmp_path / "serial/by-id/usb-FTDI_1"
    link.parent.mkdir(parents=True)

    async def work() -> None:
        life, _ = runner(link, tmp_path)
        life.start()
        await until(lambda: life.state == "waiting" and watching())
        for _ in range(3):
            shutil.rmtree(tmp_path / "serial")
            await asyncio.sleep(0)
            link.parent.mkdir(parents=True)
            await asyncio.sleep(0)
        link.symlink_to(pty)
        await until(lambda: life.state == "open", within=5)
        await life.stop()

    run(work())


def test_port_is_tried_again_when_its_rights_come_later_than_its_name(pty: Path, tmp_path: Path) -> None:
    """udev makes the node first: the refusal costs the shortest pause between tries and not the backoff."""
    link = tmp_path / "ttyUSB0"

    async def work() -> None:
        set_rights(pty, 0)
        life, port = runner(link, tmp_path)
        life.start()
        await until(lambda: life.state == "waiting" and watching())
        link.symlink_to(pty)
        await until(lambda: port.refused == 1 and life.state == "waiting" and watching(), within=5)
        set_rights(pty, 0o620)
        await until(lambda: life.state == "open", within=5)
        assert life.counters["early_tries"] == 2
        await life.stop()

    run(work())


def test_port_that_is_there_and_refused_is_left_alone_until_its_rights_change(pty: Path, tmp_path: Path) -> None:
    """That it is there is no news after it was tried."""

    async def work() -> None:
        set_rights(pty, 0)
        life, port = runner(pty, tmp_path)
        life.start()
        await until(lambda: life.state == "waiting" and watching())
        assert (port.refused, life.counters.get("early_tries")) == (1, None)
        set_rights(pty, 0o620)
        await until(lambda: life.state == "open", within=5)
        assert life.counters["early_tries"] == 1
        await life.stop()

    run(work())


def test_port_is_opened_when_it_appeared_while_it_was_tried(pty: Path, tmp_path: Path) -> None:
    """What comes between the refused opening and the watch is seen without an event."""
    link = tmp_path / "ttyUSB0"

    async def work() -> None:
        wait = HotPlug(link, SystemClock(), pytest.fail)
        wait.trying()
        link.symlink_to(pty)
        assert await wait.wait(LONG_S) == "anew"

    run(work())


def test_port_is_left_to_the_backoff_when_nothing_about_it_is_new(pty: Path, tmp_path: Path) -> None:
    """It is there and in use by another program; its neighbours come and go."""
    link = tmp_path / "ttyUSB0"
    link.symlink_to(pty)

    async def work() -> None:
        wait = HotPlug(link, SystemClock(), pytest.fail)
        wait.trying()
        waiting = asyncio.ensure_future(wait.wait(0.1))
        await asyncio.sleep(0)
        assert watching()
        (tmp_path / "ttyUSB1").symlink_to(pty)
        (tmp_path / "ttyUSB0.old").touch()
        say(pty)
        assert await waiting == "over"

    run(work())


def test_port_is_not_tried_when_it_has_gone_again_before_its_turn(
    pty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A spark: there and away within the pause between two tries."""
    monkeypatch.setattr(hotplug, "EARLY_FIRST_S", 0.1)
    link = tmp_path / "ttyUSB0"

    async def work() -> None:
        wait = HotPlug(link, SystemClock(), pytest.fail)
        wait.trying()
        link.symlink_to(pty)
        assert await wait.wait(LONG_S) == "anew"
        wait.trying()
        link.unlink()
        link.symlink_to(pty)
        waiting = asyncio.ensure_future(wait.wait(0.3))
        await asyncio.sleep(0)  # it has seen it, and pauses
        link.unlink()
        assert await waiting == "over"

    run(work())


def test_pause_between_early_tries_doubles_up_to_a_bound_when_they_follow_each_other() -> None:
    """0.25 s to 30 s after the one before; the first after a calm minute is at once again."""
    haste, now, pauses = Haste(), 1000.0, []
    assert haste.pause(now) == 0.0
    assert haste.took(now)
    for _ in range(10):
        pauses.append(haste.pause(now))
        now += pauses[-1]
        assert haste.pause(now) == 0.0
        assert not haste.took(now)
    assert pauses == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, *[EARLY_LAST_S] * 3]
    assert haste.pause(now + 29.0) == pytest.approx(1.0)
    assert haste.pause(now + 60.0) == 0.0
    assert haste.took(now + 60.0)
    assert haste.pause(now + 60.0) == 0.25


def test_a_cable_that_came_back_waits_its_turn_when_it_had_just_been_tried(pty: Path, tmp_path: Path) -> None:
    """The pause is that of the clock: while it stands still nothing is tried, when it is over it is."""
    link = tmp_path / "ttyUSB0"

    async def work() -> None:
        clock = Wound()
        wait = HotPlug(link, clock, pytest.fail)
        for expected in ("anew", "over"):
            wait.trying()
            link.unlink(missing_ok=True)
            link.symlink_to(pty)
            assert await wait.wait(0.05 if expected == "over" else LONG_S) == expected
        clock.now = hotplug.EARLY_FIRST_S
        assert await wait.wait(LONG_S) == "early"

    run(work())


class Bounds(Random):
    """Writes down the longest wait that was possible, and has each be as long as any may."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float] = []

    def uniform(self, a: float, b: float) -> float:
        self.asked.append(b)
        return LONG_S


class Loose(Port):
    """Its cable is out and in again as soon as it is open."""

    def __init__(self, context: AdapterRunner, path: Path, clock: Wound, target: Path) -> None:
        super().__init__(context, path)
        self._clock = clock
        self._target = target
        self.tries = 0

    async def open(self) -> None:
        await super().open()
        self.tries += 1
        self._clock.now += EARLY_LAST_S  # the pause between early tries is over, no minute has been calm
        self.path.unlink()
        self.path.symlink_to(self._target)
        self.context.lost(TransientError("the cable is out"))


def test_backoff_grows_on_when_the_cable_is_loose(pty: Path, tmp_path: Path) -> None:
    """It begins anew when the port appears after a calm time, and doubles with each connection that does not last."""
    link = tmp_path / "ttyUSB0"
    link.symlink_to(pty)

    async def work() -> None:
        clock, bounds = Wound(), Bounds()
        life = AdapterRunner("plc", lambda context: Loose(context, link, clock, pty), clock, bounds, tmp_path)
        assert isinstance(life.adapter, Loose)
        port = life.adapter
        clock.now = 1000.0
        life.start()
        await until(lambda: port.tries >= 7, every=0.001)
        await life.stop()
        assert bounds.asked[:6] == [1.0, 1.0, 2.0, 4.0, 8.0, 16.0]

    run(work())


@pytest.mark.parametrize("ends", ["over", "anew", "cancelled"])
def test_nothing_is_left_open_when_a_wait_has_ended(ends: str, pty: Path, tmp_path: Path) -> None:
    """No descriptor more after a hundred waits, however they end."""
    link = tmp_path / "ttyUSB0"

    async def work() -> None:
        before = descriptors()
        for _ in range(100):
            wait = HotPlug(link, SystemClock(), pytest.fail)
            waiting = asyncio.ensure_future(wait.wait(0.001 if ends == "over" else LONG_S))
            await asyncio.sleep(0)
            assert watching()
            if ends == "anew":
                link.symlink_to(pty)
            elif ends == "cancelled":
                waiting.cancel()
            await asyncio.wait([waiting])
            assert waiting.cancelled() if ends == "cancelled" else waiting.result() == ends
            link.unlink(missing_ok=True)
        more = Counter(descriptors()) - Counter(before)
        assert not more  # fewer there may be: what other tests left is collected when it pleases

    run(work())


def test_it_is_said_once_and_backoff_stays_when_no_inotify_can_be_had(pty: Path, tmp_path: Path) -> None:
    """The process has no descriptor left: the wait is as long as it would be without."""

    async def work() -> None:
        said: list[str] = []
        wait = HotPlug(tmp_path / "ttyUSB0", SystemClock(), said.append)
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        free = os.open("/dev/null", os.O_RDONLY)
        os.close(free)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
            for _ in range(3):
                assert await wait.wait(0.01) == "over"
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        (line,) = said
        assert "ttyUSB0" in line
        assert "Too many open files" in line
        (tmp_path / "ttyUSB0").symlink_to(pty)
        assert await wait.wait(LONG_S) == "anew"

    run(work())

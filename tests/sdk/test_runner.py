"""AdapterRunner: what happens when a device cannot be opened at the start, and how often its absence is said."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import pytest

from rt_edge.data.clock import SystemClock
from rt_edge.sdk import Capability, DeviceAdapter, FatalAdapterError, ProbeResult, TransientError
from rt_edge.sdk.runner import AdapterRunner, Startup


class AtOnce(Random):
    """Jitter of nothing: every next try comes in the next turn."""

    def uniform(self, a: float, b: float) -> float:
        return 0.0


class Device(DeviceAdapter):
    """Cannot be opened so many times, each for a reason of its own."""

    kind: ClassVar[str] = "device"

    def __init__(self, context: AdapterRunner, absent: int, answers: bool = True) -> None:
        super().__init__(None, context)
        self.absent = absent
        self.answers = answers
        self.opened = self.tried = self.probed = 0
        self.fatal = False

    @classmethod
    def settings_model(cls) -> type[Any]:
        raise NotImplementedError

    @classmethod
    def capability(cls, settings: Any) -> Capability:
        return Capability("polled", "native")

    async def open(self) -> None:
        self.tried += 1
        if self.tried <= self.absent:
            if self.fatal:
                raise FatalAdapterError("no such speed")
            raise TransientError(f"no answer ({self.tried})")
        self.opened += 1

    def demand(self, n: int) -> None:
        """It has nothing."""

    async def close(self) -> None:
        """It is always ready to close."""

    async def probe(self) -> ProbeResult:
        self.probed += 1
        return ProbeResult(self.answers, "answers" if self.answers else "is mute")


class Life:
    """A runner, and what it said."""

    def __init__(self, folder: Path, startup: Startup, **device: Any) -> None:
        self.refused: list[str] = []
        self.runner = AdapterRunner(
            "plc", lambda context: Device(context, **device), SystemClock(), AtOnce(), folder, startup=startup
        )
        self.runner.on_refused = self.refused.append
        adapter = self.runner.adapter
        assert isinstance(adapter, Device)
        self.device = adapter

    async def state(self, wanted: str) -> None:
        """Return when it has come to this state."""
        reached = asyncio.Event()
        self.runner.on_state.append(lambda state: reached.set() if state == wanted else None)
        if self.runner.state != wanted:
            async with asyncio.timeout(5):
                await reached.wait()


def play(work: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(10):
            await work()

    asyncio.run(limited())


def test_is_tried_again_when_the_policy_is_retry(tmp_path: Path) -> None:
    """A device that comes later is opened then."""

    async def work() -> None:
        life = Life(tmp_path, "retry", absent=3)
        life.runner.start()
        await life.state("open")
        assert (life.device.tried, life.runner.error) == (4, "")
        await life.runner.stop()

    play(work)


def test_is_reported_and_not_tried_again_when_the_policy_is_fail(tmp_path: Path) -> None:
    """Whoever runs the node is told why, once, and the adapter stays off."""

    async def work() -> None:
        life = Life(tmp_path, "fail", absent=1)
        life.runner.start()
        await life.state("failed")
        assert life.refused == ["no answer (1)"]
        assert life.device.tried == 1
        await life.runner.stop()
        assert life.runner.state == "failed"

    play(work)


def test_is_left_off_when_the_policy_is_ignore(tmp_path: Path) -> None:
    """It stays off, says why, and nobody is told that the node cannot start."""

    async def work() -> None:
        life = Life(tmp_path, "ignore", absent=1)
        life.device.fatal = True
        life.runner.start()
        await life.state("off")
        assert life.runner.error == "left off (startup: ignore): no such speed"
        assert (life.device.tried, life.refused) == (1, [])
        await life.runner.stop()

    play(work)


@pytest.mark.parametrize(("answers", "ends"), [(True, "open"), (False, "off")])
def test_has_to_answer_first_when_the_policy_is_probe(tmp_path: Path, answers: bool, ends: str) -> None:
    """The probe decides, before anything is opened for good."""

    async def work() -> None:
        life = Life(tmp_path, "probe", absent=0, answers=answers)
        life.runner.start()
        await life.state(ends)
        assert (life.device.probed, life.device.opened) == (1, int(answers))
        assert ("is mute" in life.runner.error) is not answers
        await life.runner.stop()

    play(work)


@pytest.mark.parametrize("startup", ["fail", "ignore", "probe"])
def test_is_tried_again_when_it_was_open_once_whatever_the_policy(tmp_path: Path, startup: Startup) -> None:
    """The policy is for the start: a device that was there comes back, and is not probed again."""

    async def work() -> None:
        life = Life(tmp_path, startup, absent=0)
        life.runner.start()
        await life.state("open")
        life.device.absent = 3
        life.runner.lost(TransientError("the cable is out"))
        await life.state("waiting")
        await life.state("open")
        assert (life.device.opened, life.refused) == (2, [])
        assert life.device.probed == (startup == "probe")
        await life.runner.stop()

    play(work)


class Bounds(AtOnce):
    """Writes down the longest wait that was possible."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float] = []

    def uniform(self, a: float, b: float) -> float:
        self.asked.append(b)
        return 0.0


class Wound(SystemClock):
    """Stands still unless it is moved."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


def test_waits_longer_each_time_when_it_is_thrown_out_as_soon_as_it_is_open(tmp_path: Path) -> None:
    """Two clients with one id at an MQTT broker: opening works, and does not count as long as it does not last."""

    async def work() -> None:
        clock, bounds, lasted = Wound(), Bounds(), iter([1.0, 1.0, 1.0, 29.0, 30.0, 1.0])
        runner = AdapterRunner("plc", lambda context: Device(context, absent=0), clock, bounds, tmp_path)
        over = asyncio.Event()

        def thrown_out() -> None:
            seconds = next(lasted, None)
            if seconds is None:
                over.set()
                return
            clock.now += seconds
            runner.lost(TransientError("session taken over"))

        def follow(state: str) -> None:
            if state == "open":
                asyncio.get_running_loop().call_soon(thrown_out)

        runner.on_state.append(follow)
        runner.start()
        await over.wait()
        assert bounds.asked == [1, 2, 4, 8, 1, 2]
        await runner.stop()

    play(work)


def test_absence_is_said_once_and_the_return_once_when_the_reasons_change(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """However often it is tried and whatever the reasons: one warning when it is gone, one line when it is back."""
    caplog.set_level(logging.INFO)

    async def work() -> None:
        life = Life(tmp_path, "retry", absent=0)
        life.runner.start()
        await life.state("open")
        life.device.absent = 6
        life.runner.lost(TransientError("the cable is out"))
        await life.state("waiting")
        await life.state("open")
        await life.runner.stop()

    play(work)
    said = [(record.levelname, record.getMessage().split(":")[0].split(",")[0]) for record in caplog.records]
    assert said == [
        ("INFO", "adapter is connected kind=device"),
        ("WARNING", "adapter is not connected"),
        ("INFO", "adapter is connected again after 0 s kind=device"),
    ]


def test_a_silence_lasts_until_its_end_or_that_of_the_connection(tmp_path: Path) -> None:
    """Since when is that of its first reason; what was silent on a connection before says nothing of this one."""

    async def work() -> None:
        life = Life(tmp_path, "retry", absent=0)
        runner = life.runner
        runner.start()
        await life.state("open")
        runner.silent("line/a", "disconnected")
        since = runner.silences["line/a"][1]
        runner.silent("line/a", "timeout")
        runner.silent("line/b", "timeout")
        assert runner.silences["line/a"] == ("timeout", since)
        runner.silent("line/a", "")
        assert list(runner.silences) == ["line/b"]
        runner.lost(TransientError("cable"))
        await life.state("waiting")
        await life.state("open")
        assert runner.silences == {}
        await runner.stop()

    play(work)

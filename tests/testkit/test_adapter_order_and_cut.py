"""The adapter contract catches what comes twice or out of order, what is acknowledged twice or early, what a cut call leaves."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from random import Random
from typing import Any

import pytest

from rt_edge.sdk import DeviceAdapter, ProbeResult, Reading
from rt_edge.testkit.adapter_cut import POINTS, cut, cuts
from tests.testkit.test_adapter_contract import HELD, Good, failing


class Swapping(Good):
    """Hands on the newest first."""

    def readings(self, n: int) -> list[Reading]:
        return super().readings(n)[::-1]


class Unnumbered(Good):
    """What it says was received later than what follows; nothing else shows it."""

    def readings(self, n: int) -> list[Reading]:
        return [Reading("x/y", 0, {}, received=-one.fields["n"]) for one in super().readings(n)]  # type: ignore[operator]


class Echoing(Good):
    """Two are asked for, one comes twice."""

    def readings(self, n: int) -> list[Reading]:
        made = super().readings(n)
        return made if n < 2 else [*made[:-1], made[-2]]


class Replaying(Good):
    """Begins with its last Reading again when it is opened again, and nobody has marked it as sent again."""

    last: list[Reading] = []
    replays = False

    async def open(self) -> None:
        self.replays = True
        await super().open()

    def readings(self, n: int) -> list[Reading]:
        again = self.last if self.replays else []
        self.replays = False
        made = [*again, *super().readings(n - len(again))]
        self.last = made[-1:]
        return made


class AcknowledgingTwice(Good):
    """Every receipt acknowledges all from the first on."""

    def settled(self, through: int) -> None:
        self.acks += range(through)


class AcknowledgingEarly(Good):
    """What was handed on is as good as stored."""

    def readings(self, n: int) -> list[Reading]:
        self.acks += range(self.made, self.made + n)
        return super().readings(n)


class Unsorted(Good):
    """Acknowledges the newest first."""

    def settled(self, through: int) -> None:
        self.acks += reversed(range(len(self.acks), through))


class Owner(Good):
    """Has a socket while it is open."""

    sock: socket.socket | None = None

    async def open(self) -> None:
        await super().open()
        if self.sock is None:
            self.sock = socket.socket()
            HELD.append(self.sock)

    async def close(self) -> None:
        sock, self.sock = self.sock, None
        await super().close()
        await asyncio.sleep(0)
        if sock is not None:
            sock.close()


class Stuck(Good):
    """Believes that it is closing, once it has begun to."""

    closing = False

    async def close(self) -> None:
        if self.closing:
            return
        self.closing = True
        await asyncio.sleep(0)
        await super().close()
        self.closing = False

    async def open(self) -> None:
        assert not self.closing, "still closing"
        await super().open()


class Probing(Good):
    """Closes what it has probed with, unless it is interrupted."""

    async def probe(self) -> ProbeResult:
        sock = socket.socket()
        HELD.append(sock)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        sock.close()
        return ProbeResult(True, "there")


@pytest.mark.parametrize(
    ("kind", "caught"),
    [
        (Swapping, "test_emits_each_reading_once_and_those_of_a_device_in_order"),
        (Unnumbered, "test_emits_each_reading_once_and_those_of_a_device_in_order"),
        (Echoing, "test_emits_each_reading_once_and_those_of_a_device_in_order"),
        (Replaying, "test_emits_each_reading_once_and_those_of_a_device_in_order"),
        (AcknowledgingTwice, "test_acknowledges_each_once_and_not_before_it_is_settled"),
        (AcknowledgingEarly, "test_acknowledges_each_once_and_not_before_it_is_settled"),
        (Unsorted, "test_acknowledges_each_once_and_not_before_it_is_settled"),
        (Owner, "test_is_closed_by_the_next_close_when_closing_is_cancelled_half_way"),
        (Stuck, "test_is_closed_by_the_next_close_when_closing_is_cancelled_half_way"),
        (Probing, "test_leaves_nothing_behind_when_a_probe_is_cancelled_half_way"),
    ],
)
def test_contract_fails_when_the_adapter_breaks_it(tmp_path: Path, kind: type[DeviceAdapter], caught: str) -> None:
    """Each way to break it is caught by the test that names it."""
    assert failing(kind, tmp_path, [caught]) == {caught}


def test_a_call_is_cancelled_at_each_of_its_awaits_when_it_is_cut() -> None:
    """Exactly there, or so many turns later; uncut, it counts them; what it raises is raised."""
    steps: list[int] = []

    async def work(n: int, end: Exception | None = None) -> None:
        for step in range(n):
            steps.append(step)
            await asyncio.sleep(0)
        if end is not None:
            raise end

    async def run() -> None:
        assert await cut(work(5), 0) == 5
        for at in range(1, 6):
            steps.clear()
            assert await cut(work(5), at) == at
            assert len(steps) == at
        steps.clear()
        await cut(work(9), 2, 3)
        assert len(steps) == 4  # it went on until the loop's third turn
        steps.clear()
        assert await cut(work(5), 9) == 5  # it has ended before
        with pytest.raises(ValueError, match="broken"):
            await cut(work(1, ValueError("broken")), 0)

    asyncio.run(run())


def test_a_cut_comes_through_timeouts_and_clean_up_when_a_call_has_them() -> None:
    """It is an ordinary cancellation: `finally` may wait, a time limit inside does not take it for its own."""
    done: list[str] = []

    async def work() -> None:
        try:
            async with asyncio.timeout(10):
                await asyncio.get_running_loop().create_future()
        except TimeoutError:
            done.append("took it for a time-out")
        finally:
            await asyncio.sleep(0)
            done.append("cleaned up")

    asyncio.run(cut(work(), 1))
    assert done == ["cleaned up"]


def test_first_and_last_await_are_among_the_cuts_when_there_are_many() -> None:
    """A long call is cut at a bounded number of places, the same for the same seed."""
    few: Any = cuts(3, Random(1))
    assert [at for at, turns in few if not turns] == [1, 2, 3]
    many = cuts(500, Random(1))
    now = [at for at, turns in many if not turns]
    assert (len(now), now[0], now[-1]) == (POINTS, 1, 500)
    assert many == cuts(500, Random(1)) != cuts(500, Random(2))
    assert cuts(0, Random(1)) == []
